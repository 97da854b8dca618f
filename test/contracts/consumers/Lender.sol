// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// As Chainlink publishes it.
interface AggregatorV3Interface {
    function decimals() external view returns (uint8);

    function description() external view returns (string memory);

    function version() external view returns (uint256);

    function getRoundData(
        uint80 _roundId
    )
        external
        view
        returns (
            uint80 roundId,
            int256 answer,
            uint256 startedAt,
            uint256 updatedAt,
            uint80 answeredInRound
        );

    function latestRoundData()
        external
        view
        returns (
            uint80 roundId,
            int256 answer,
            uint256 startedAt,
            uint256 updatedAt,
            uint80 answeredInRound
        );
}

/// A lending market as many are, with the checks that its like have: every one of them is a way to
/// break on a naive adapter.
contract Lender {
    uint256 public constant GRACE_S = 3600;
    uint256 public constant HEARTBEAT_S = 60;

    AggregatorV3Interface public immutable price;
    AggregatorV3Interface public immutable uptime;

    constructor(AggregatorV3Interface price_, AggregatorV3Interface uptime_) {
        price = price_;
        uptime = uptime_;
    }

    /// With 18 decimals.
    function collateralPrice() public view returns (uint256) {
        (, int256 isDown, uint256 since, , ) = uptime.latestRoundData();
        require(isDown == 0, "sequencer down");
        require(since != 0, "no uptime round");
        require(block.timestamp - since > GRACE_S, "grace");
        (uint80 roundId, int256 answer, , uint256 updatedAt, uint80 answeredIn) = price
            .latestRoundData();
        require(answer > 0, "no price");
        require(updatedAt != 0, "incomplete round");
        require(answeredIn >= roundId, "old round");
        // Reverts where the price is from the future.
        require(block.timestamp - updatedAt <= HEARTBEAT_S, "stale");
        return uint256(answer) * 10 ** (18 - price.decimals());
    }

    /// Basis points between the last two rounds.
    function lastMoveBps() external view returns (uint256) {
        (uint80 roundId, int256 answer, , , ) = price.latestRoundData();
        (, int256 before, , , ) = price.getRoundData(roundId - 1);
        int256 moved = answer > before ? answer - before : before - answer;
        return (uint256(moved) * 10_000) / uint256(before);
    }
}
