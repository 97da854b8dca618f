// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

interface IEpochs {
    struct Epoch {
        uint64 number;
        uint64 timeMs;
        uint64 downSinceMs;
        uint64 upSinceMs;
    }

    function newestEpoch() external view returns (Epoch memory);
}

/// Since when the sequencer is up, as Chainlink's consumers read it (L2 Sequencer Uptime Feeds).
/// Predeploy at 0x5200…0002.
///
/// Whoever reads it reads it in a block, so the answer is always 0, up. `startedAt` is when the first
/// epoch after the last outage was applied; long ago where there was none. It is written before any
/// transaction that the sequencer takes in. Deposits from L1, once there are some, stand before it,
/// and blocks that L1 forces have no epoch: what they call must look at the price's own time.
contract SequencerUptimeFeed {
    IEpochs private constant FEEDS = IEpochs(0x5200000000000000000000000000000000000001);
    /// Not zero: that would be a round without data.
    uint256 private constant LONG_AGO = 1;

    uint8 public constant decimals = 0;
    uint256 public constant version = 1;
    string public constant description = "L2 Sequencer Uptime Status Feed";

    function latestRoundData()
        public
        view
        returns (
            uint80 roundId,
            int256 answer,
            uint256 startedAt,
            uint256 updatedAt,
            uint80 answeredInRound
        )
    {
        uint64 upSinceMs = FEEDS.newestEpoch().upSinceMs;
        startedAt = upSinceMs / 1000;
        if (startedAt > block.timestamp) startedAt = block.timestamp;
        if (startedAt == 0) startedAt = LONG_AGO;
        roundId = uint80(upSinceMs == 0 ? LONG_AGO : upSinceMs);
        return (roundId, 0, startedAt, startedAt, roundId);
    }

    /// Only of the newest round: outages before the last one are not kept.
    function getRoundData(
        uint80 roundId_
    )
        external
        view
        returns (
            uint80 roundId,
            int256 answer,
            uint256 startedAt,
            uint256 updatedAt,
            uint80 answeredInRound
        )
    {
        (roundId, answer, startedAt, updatedAt, answeredInRound) = latestRoundData();
        require(roundId_ == roundId, "No data present");
    }

    function latestAnswer() external pure returns (int256) {
        return 0;
    }
}
