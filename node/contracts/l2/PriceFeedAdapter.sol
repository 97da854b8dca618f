// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// What an adapter asks of PriceFeeds.
interface IPriceRounds {
    function newestRound(bytes32 feedId) external view returns (uint32);

    function roundAt(
        bytes32 feedId,
        uint256 round
    ) external view returns (int128 value, uint256 updatedAt);
}

/// One feed as Chainlink's consumers read it (AggregatorV3Interface, AggregatorInterface). Made by
/// PriceFeeds (`createAdapter`), and told by it of each round.
///
/// Round ids are those of a Chainlink proxy in its first phase: `1 << 64 | round`. A round is
/// answered when it starts. `updatedAt` is never after the block's time.
contract PriceFeedAdapter {
    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);
    event NewRound(uint256 indexed roundId, address indexed startedBy, uint256 startedAt);

    error NotPriceFeeds(address sender);

    uint256 private constant PHASE = 1 << 64;

    uint8 public immutable decimals;
    uint256 public constant version = 1;
    /// The feed's id in the policy.
    string public description;

    IPriceRounds private immutable feeds;
    bytes32 public immutable feedId;

    constructor(bytes32 feedId_, uint8 decimals_, string memory description_) {
        feeds = IPriceRounds(msg.sender);
        feedId = feedId_;
        decimals = decimals_;
        description = description_;
    }

    function announce(int256 answer, uint256 round, uint256 updatedAt) external {
        if (msg.sender != address(feeds)) revert NotPriceFeeds(msg.sender);
        emit NewRound(PHASE | round, msg.sender, updatedAt);
        emit AnswerUpdated(answer, PHASE | round, updatedAt);
    }

    function latestRoundData()
        external
        view
        returns (uint80, int256 answer, uint256 startedAt, uint256 updatedAt, uint80)
    {
        return roundData(latestRound());
    }

    /// Reverts for a round that is not kept: 256 of them are.
    function getRoundData(
        uint80 roundId
    ) external view returns (uint80, int256 answer, uint256 startedAt, uint256 updatedAt, uint80) {
        return roundData(roundId);
    }

    function latestAnswer() external view returns (int256) {
        return getAnswer(latestRound());
    }

    function latestTimestamp() external view returns (uint256) {
        return getTimestamp(latestRound());
    }

    function latestRound() public view returns (uint256) {
        return PHASE | feeds.newestRound(feedId);
    }

    /// 0 for a round that is not kept.
    function getAnswer(uint256 roundId) public view returns (int256 answer) {
        (answer, ) = find(roundId);
    }

    /// 0 for a round that is not kept.
    function getTimestamp(uint256 roundId) public view returns (uint256 updatedAt) {
        (, updatedAt) = find(roundId);
    }

    function roundData(
        uint256 roundId
    ) private view returns (uint80, int256, uint256, uint256, uint80) {
        (int256 answer, uint256 updatedAt) = find(roundId);
        require(updatedAt != 0, "No data present");
        return (uint80(roundId), answer, updatedAt, updatedAt, uint80(roundId));
    }

    function find(uint256 roundId) private view returns (int256, uint256) {
        if (roundId >> 64 != 1) return (0, 0);
        return feeds.roundAt(feedId, roundId & (PHASE - 1));
    }
}
