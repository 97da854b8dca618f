// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {PriceFeedAdapter} from "./PriceFeedAdapter.sol";

/// The prices of the chain. Predeploy at 0x5200…0001; written by epochs alone, which every follower
/// computes again from the publishers' signed reports (PROTOCOL 5).
///
/// `getMarket` says what the newest epoch said, whatever that was. Everything else here is for
/// contracts that were written for other oracles: it knows rounds, and a round is a value that was
/// reported while its market was open. What is said in a closed or halted session, and the old value
/// that stands during a jump, make no round: such a contract knows no sessions, so it has to see the
/// last value grow old. Reads have the shape of Pyth's (`IPyth`, `AbstractPyth`); Chainlink's are
/// made by adapters, one a feed.
contract PriceFeeds {
    struct Update {
        bytes32 feedId;
        int128 value;
        uint128 confidence;
        uint64 timeMs;
        uint8 session;
        uint8 status;
    }

    /// What is known of a feed. One slot; a confidence that does not fit is the largest that does.
    struct Market {
        /// In the feed's smallest unit.
        int128 value;
        uint64 confidence;
        /// When the value held, Unix milliseconds.
        uint48 timeMs;
        /// 0 continuous, 1 pre, 2 regular, 3 post, 4 overnight, 5 closed, 6 halted, 7 auction.
        uint8 session;
        /// 0 as reported; 1 the value before a jump that has to be confirmed.
        uint8 status;
    }

    struct Epoch {
        /// Counts by one.
        uint64 number;
        /// Unix milliseconds.
        uint64 timeMs;
        /// The last outage: since when, and when the first epoch after it was applied.
        uint64 downSinceMs;
        uint64 upSinceMs;
    }

    /// A value that was reported while the market was open.
    struct Round {
        int128 value;
        uint64 confidence;
        uint48 timeMs;
    }

    /// Over rounds, weighted by time.
    struct Average {
        /// In 2^-32 of the feed's smallest unit: small steps must not be lost.
        int160 value;
        uint64 confidence;
        /// Number of the newest round; 0 for none.
        uint32 round;
    }

    /// As Pyth has it (PythStructs.Price): `price` times ten to `expo`.
    struct Price {
        int64 price;
        uint64 conf;
        int32 expo;
        /// Unix seconds.
        uint256 publishTime;
    }

    /// As Pyth has it (PythStructs.PriceFeed).
    struct PriceFeed {
        bytes32 id;
        Price price;
        Price emaPrice;
    }

    error NotTheProtocol(address sender);
    error EpochOutOfOrder(uint64 epoch, uint64 expected);
    error FeedUnknown(bytes32 feedId);
    error AdapterExists(address adapter);
    /// A Pyth price has 64 bits.
    error PriceTooLarge(bytes32 feedId);
    error UpdateCostsNothing();
    /// Of Pyth (PythErrors).
    error PriceFeedNotFound();
    error StalePrice();

    event EpochApplied(uint64 indexed epoch, uint64 timeMs, uint72 cut, bytes32 reportsHash);
    event PriceUpdated(
        bytes32 indexed feedId,
        int128 value,
        uint128 confidence,
        uint64 timeMs,
        uint8 session,
        uint8 status
    );
    event SequencerUp(uint64 downSinceMs, uint64 upSinceMs);
    event AdapterCreated(bytes32 indexed feedId, address adapter);

    /// Nobody's account: only the protocol sends from it.
    address private constant PROTOCOL = 0x5200000000000000000000000000000000000000;
    uint8 private constant RAW = 0x80;
    uint8 private constant CLOSED = 5;
    uint8 private constant HALTED = 6;
    /// Rounds of a feed that are kept: 13 seconds of them where each flashblock of 50 ms has an epoch,
    /// four minutes at a heartbeat of a second. Whoever needs longer keeps them.
    uint256 private constant ROUNDS_MAX = 256;
    /// Time constant of the average: after so long, 63 % of a step has come through.
    int256 private constant AVERAGE_MS = 3_600_000;
    uint256 private constant AVERAGE_SHIFT = 32;

    // Slots 0 to 5. Genesis writes slot 4.
    Epoch private newest;
    mapping(bytes32 feedId => Market) private markets;
    mapping(bytes32 feedId => Average) private averages;
    mapping(bytes32 feedId => mapping(uint256 place => Round)) private rounds;
    /// Of the policy's feeds: their decimals, and one; and `RAW` where the id is 32 bytes of hex.
    mapping(bytes32 feedId => uint8) private decimalsAndOne;
    mapping(bytes32 feedId => PriceFeedAdapter) private adapters;

    /// Applies an epoch. A call that fails makes its block invalid.
    function applyEpoch(
        uint64 epoch,
        uint64 timeMs,
        uint72 cut,
        bytes32 reportsHash,
        uint64 downSinceMs,
        Update[] calldata updates
    ) external {
        if (msg.sender != PROTOCOL) revert NotTheProtocol(msg.sender);
        Epoch memory now_ = newest;
        if (epoch != now_.number + 1) revert EpochOutOfOrder(epoch, now_.number + 1);
        now_.number = epoch;
        now_.timeMs = timeMs;
        if (downSinceMs != 0) {
            now_.downSinceMs = downSinceMs;
            now_.upSinceMs = timeMs;
            emit SequencerUp(downSinceMs, timeMs);
        }
        newest = now_;
        for (uint256 i = 0; i < updates.length; i++) apply_(updates[i]);
        emit EpochApplied(epoch, timeMs, cut, reportsHash);
    }

    /// Makes the Chainlink-shaped reads of a feed of the policy, by its id as the policy has it. For
    /// anybody; once a feed. From then on the adapter has `AnswerUpdated` for each round.
    function createAdapter(string calldata id) external returns (address) {
        // An id of 32 bytes of hex is used as it is; the hash of a name is no other name of it.
        (bool isHex, uint256 word) = Strings.tryParseHexUint(id);
        bytes32 raw = bytes32(word);
        bool isRaw = isHex && bytes(id).length == 66 && decimalsAndOne[raw] & RAW != 0;
        return createAdapter_(isRaw ? raw : keccak256(bytes(id)), id);
    }

    /// Zero where nobody has made it.
    function adapterOf(bytes32 feedId) external view returns (address) {
        return address(adapters[feedId]);
    }

    /// Reverts for a feed that has never had a value.
    function getMarket(bytes32 feedId) external view returns (Market memory market) {
        market = markets[feedId];
        if (market.timeMs == 0) revert FeedUnknown(feedId);
    }

    function newestEpoch() external view returns (Epoch memory) {
        return newest;
    }

    /// Of the policy. Reverts for a feed that it does not have.
    function decimalsOf(bytes32 feedId) public view returns (uint8) {
        uint8 andOne = decimalsAndOne[feedId] & ~RAW;
        if (andOne == 0) revert FeedUnknown(feedId);
        return andOne - 1;
    }

    /// The newest round of a feed; 0 before the first.
    function newestRound(bytes32 feedId) external view returns (uint32) {
        return averages[feedId].round;
    }

    /// A round of a feed, its time in Unix seconds; all zero where it is not kept, or is not yet.
    function roundAt(
        bytes32 feedId,
        uint256 round
    ) external view returns (int128 value, uint256 updatedAt) {
        uint256 last = averages[feedId].round;
        if (round == 0 || round > last || last - round >= ROUNDS_MAX) return (0, 0);
        Round memory found = rounds[feedId][round % ROUNDS_MAX];
        return (found.value, secondOf(found.timeMs));
    }

    function getPriceUnsafe(bytes32 id) public view returns (Price memory) {
        Round memory last = lastRound(id);
        return priceOf(id, last.value, last.confidence, last.timeMs);
    }

    function getPriceNoOlderThan(bytes32 id, uint256 age) external view returns (Price memory) {
        return noOlderThan(getPriceUnsafe(id), age);
    }

    function getEmaPriceUnsafe(bytes32 id) public view returns (Price memory) {
        Average memory average = averages[id];
        int256 value = int256(average.value) >> AVERAGE_SHIFT;
        return priceOf(id, value, average.confidence, lastRound(id).timeMs);
    }

    function getEmaPriceNoOlderThan(bytes32 id, uint256 age) external view returns (Price memory) {
        return noOlderThan(getEmaPriceUnsafe(id), age);
    }

    function priceFeedExists(bytes32 id) external view returns (bool) {
        return averages[id].round != 0 && decimalsAndOne[id] != 0;
    }

    function queryPriceFeed(bytes32 id) external view returns (PriceFeed memory) {
        return PriceFeed(id, getPriceUnsafe(id), getEmaPriceUnsafe(id));
    }

    /// Prices come with the block: there is nothing to update, and nothing to pay.
    function getUpdateFee(bytes[] calldata) external pure returns (uint256) {
        return 0;
    }

    function updatePriceFeeds(bytes[] calldata) external payable {
        if (msg.value != 0) revert UpdateCostsNothing();
    }

    function updatePriceFeedsIfNecessary(
        bytes[] calldata,
        bytes32[] calldata,
        uint64[] calldata
    ) external payable {
        if (msg.value != 0) revert UpdateCostsNothing();
    }

    function apply_(Update calldata update) private {
        uint64 most = type(uint64).max;
        uint64 confidence = update.confidence > most ? most : uint64(update.confidence);
        markets[update.feedId] = Market({
            value: update.value,
            confidence: confidence,
            timeMs: uint48(update.timeMs),
            session: update.session,
            status: update.status
        });
        emit PriceUpdated(
            update.feedId,
            update.value,
            update.confidence,
            update.timeMs,
            update.session,
            update.status
        );
        if (update.status == 0 && update.session != CLOSED && update.session != HALTED)
            addRound(update.feedId, Round(update.value, confidence, uint48(update.timeMs)));
    }

    function addRound(bytes32 feedId, Round memory round) private {
        Average memory average = averages[feedId];
        int256 value = int256(round.value) << AVERAGE_SHIFT;
        int256 confidence = int256(uint256(round.confidence));
        if (average.round != 0) {
            Round memory before = rounds[feedId][average.round % ROUNDS_MAX];
            // The middle of other publishers' times may be an earlier one.
            if (round.timeMs < before.timeMs) round.timeMs = before.timeMs;
            // What held all that time is the value before: the first one after a gap counts from now.
            int256 elapsed = int256(uint256(round.timeMs - before.timeMs));
            value = moved(average.value, int256(before.value) << AVERAGE_SHIFT, elapsed);
            confidence = moved(
                int256(uint256(average.confidence)),
                int256(uint256(before.confidence)),
                elapsed
            );
        }
        average.value = int160(value);
        average.confidence = uint64(uint256(confidence));
        // After 2^32 rounds the ring stands still, and the chain goes on.
        if (average.round != type(uint32).max) average.round += 1;
        averages[feedId] = average;
        rounds[feedId][average.round % ROUNDS_MAX] = round;
        PriceFeedAdapter adapter = adapters[feedId];
        if (address(adapter) != address(0))
            adapter.announce(round.value, average.round, secondOf(round.timeMs));
    }

    /// Towards a value that has held for so long: between both, so it fits where they do.
    function moved(int256 from, int256 to, int256 elapsed) private pure returns (int256) {
        return from + ((to - from) * elapsed) / (elapsed + AVERAGE_MS);
    }

    function createAdapter_(bytes32 feedId, string memory id) private returns (address) {
        uint8 decimals = decimalsOf(feedId);
        if (address(adapters[feedId]) != address(0)) revert AdapterExists(address(adapters[feedId]));
        PriceFeedAdapter adapter = new PriceFeedAdapter{salt: feedId}(feedId, decimals, id);
        adapters[feedId] = adapter;
        emit AdapterCreated(feedId, address(adapter));
        return address(adapter);
    }

    function lastRound(bytes32 id) private view returns (Round memory) {
        uint32 round = averages[id].round;
        if (round == 0) revert PriceFeedNotFound();
        return rounds[id][round % ROUNDS_MAX];
    }

    function priceOf(
        bytes32 id,
        int256 value,
        uint64 confidence,
        uint48 timeMs
    ) private view returns (Price memory) {
        if (int64(value) != value) revert PriceTooLarge(id);
        int32 expo = -int32(uint32(decimalsOf(id)));
        return Price(int64(value), confidence, expo, secondOf(timeMs));
    }

    function noOlderThan(Price memory price, uint256 age) private view returns (Price memory) {
        if (block.timestamp - price.publishTime > age) revert StalePrice();
        return price;
    }

    /// Publishers' clocks may be ahead of the block's; contracts subtract one from the other.
    function secondOf(uint48 timeMs) private view returns (uint256) {
        uint256 second = timeMs / 1000;
        return second < block.timestamp ? second : block.timestamp;
    }
}
