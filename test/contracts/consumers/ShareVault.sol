// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

interface IMarkets {
    struct Market {
        int128 value;
        uint64 confidence;
        uint48 timeMs;
        uint8 session;
        uint8 status;
    }

    function getMarket(bytes32 feedId) external view returns (Market memory);
}

/// A loan against shares that may be split: what it holds is worth price times multiplier, and both
/// are read where they were written together. Liquidated only in a market that is open.
contract ShareVault {
    IMarkets public immutable markets;
    bytes32 public immutable price;
    bytes32 public immutable multiplier;
    uint256 public immutable shares;
    uint256 public immutable debt;

    constructor(
        IMarkets markets_,
        bytes32 price_,
        bytes32 multiplier_,
        uint256 shares_,
        uint256 debt_
    ) {
        markets = markets_;
        price = price_;
        multiplier = multiplier_;
        shares = shares_;
        debt = debt_;
    }

    function worth() public view returns (uint256) {
        int256 each = int256(markets.getMarket(price).value) * markets.getMarket(multiplier).value;
        return uint256(each) * shares;
    }

    function isLiquidatable() external view returns (bool) {
        IMarkets.Market memory market = markets.getMarket(price);
        if (market.session == 5 || market.session == 6 || market.status != 0) return false;
        return worth() < debt;
    }
}
