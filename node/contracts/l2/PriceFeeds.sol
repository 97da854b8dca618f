// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// The prices of the chain. Predeploy at 0x5200…0001; written by epochs alone, which every follower
/// computes again from the publishers' signed reports (PROTOCOL 5).
///
/// One slot a feed. A confidence that does not fit 64 bits is kept as the largest that does.
contract PriceFeeds {
    struct Update {
        bytes32 feedId;
        int128 value;
        uint128 confidence;
        uint64 timeMs;
        uint8 session;
        uint8 status;
    }

    /// What is known of a feed.
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

    error NotTheProtocol(address sender);
    error EpochOutOfOrder(uint64 epoch, uint64 expected);
    error FeedUnknown(bytes32 feedId);

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

    /// Nobody's account: only the protocol sends from it.
    address private constant PROTOCOL = 0x5200000000000000000000000000000000000000;

    Epoch private newest;
    mapping(bytes32 feedId => Market) private markets;

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

    /// Reverts for a feed that has never had a value.
    function getMarket(bytes32 feedId) external view returns (Market memory market) {
        market = markets[feedId];
        if (market.timeMs == 0) revert FeedUnknown(feedId);
    }

    function newestEpoch() external view returns (Epoch memory) {
        return newest;
    }

    function apply_(Update calldata update) private {
        uint64 most = type(uint64).max;
        markets[update.feedId] = Market({
            value: update.value,
            confidence: update.confidence > most ? most : uint64(update.confidence),
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
    }
}
