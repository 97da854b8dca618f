// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPriceSource} from "./PerpMarket.sol";

/// @title PushedPrice: a price that arrives by plain transactions, as on chains without a fast lane.
/// @notice What the crash scenario compares PriceFeeds with. Reads like PriceFeeds, so that the same
///         market runs on both. One allow-listed account transmits what its publishers have agreed
///         on, in the manner of Chainlink's OCR; that they have signed it is not checked, which makes
///         it cheaper than the original. Devnet only.
/// @dev Genesis places the runtime code and the allow-list (slot 0).
contract PushedPrice is IPriceSource {
    /// @notice The sender is not on the allow-list.
    error NotTransmitter(address sender);
    /// @notice Nothing was transmitted yet.
    error FeedUnknown(bytes32 feedId);

    event PriceTransmitted(bytes32 indexed feedId, int128 value, uint48 timeMs);

    /// @notice Who may transmit. Slot 0, written by genesis.
    mapping(address account => bool) public isTransmitter;
    mapping(bytes32 feedId => Market) private markets;

    /// @notice Makes this the newest value; one that is not newer than what is there changes nothing.
    function transmit(bytes32 feedId, int128 value, uint64 confidence, uint48 timeMs) external {
        if (!isTransmitter[msg.sender]) revert NotTransmitter(msg.sender);
        if (timeMs <= markets[feedId].timeMs) return;
        markets[feedId] = Market(value, confidence, timeMs, 0, 0);
        emit PriceTransmitted(feedId, value, timeMs);
    }

    /// @inheritdoc IPriceSource
    function getMarket(bytes32 feedId) external view returns (Market memory market) {
        market = markets[feedId];
        if (market.timeMs == 0) revert FeedUnknown(feedId);
    }
}
