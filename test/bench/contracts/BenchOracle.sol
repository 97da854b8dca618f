// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title BenchOracle: one price report is four packed slots and a log.
/// @dev As on-chain feeds keep them: newest value, moving average, a ring of past values, and the
///      round with its extremes. Benchmarks only: anyone may publish.
contract BenchOracle {
    struct Answer {
        int128 price;
        uint64 confidence;
        uint48 publishedMs;
        uint16 status;
    }

    struct Round {
        int96 lowest;
        int96 highest;
        uint64 number;
    }

    error StaleAnswer(uint48 newestMs);

    event AnswerUpdated(bytes32 indexed feed, int128 indexed price, uint64 round, uint48 publishedMs);

    uint256 private constant RING_SIZE = 64;
    int128 private constant AVERAGE_WEIGHT = 16;

    mapping(bytes32 feed => Answer) public latest;
    mapping(bytes32 feed => Answer) public average;
    mapping(bytes32 feed => Round) public rounds;
    mapping(bytes32 feed => Answer[RING_SIZE]) private ring;

    function publish(bytes32 feed, int128 price, uint64 confidence, uint48 publishedMs) external {
        Answer memory newest = latest[feed];
        if (publishedMs <= newest.publishedMs) revert StaleAnswer(newest.publishedMs);
        Answer memory answer = Answer(price, confidence, publishedMs, 1);
        latest[feed] = answer;

        Answer memory mean = average[feed];
        mean.price += (price - mean.price) / AVERAGE_WEIGHT;
        mean.confidence = (mean.confidence * 15 + confidence) / 16;
        mean.publishedMs = publishedMs;
        mean.status = 1;
        average[feed] = mean;

        Round memory round = rounds[feed];
        round.number += 1;
        if (round.number == 1 || price < round.lowest) round.lowest = int96(price);
        if (round.number == 1 || price > round.highest) round.highest = int96(price);
        rounds[feed] = round;

        ring[feed][round.number % RING_SIZE] = answer;
        emit AnswerUpdated(feed, price, round.number, publishedMs);
    }
}
