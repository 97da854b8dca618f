// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title DemoFeed: the devnet's price feed that publishers write with plain transactions.
/// @notice Allow-listed accounts overwrite the newest value of a feed, any number of times.
/// @dev Genesis places the runtime code and the allow-list (slot 0): there is no constructor and
///      no owner, so the list never changes. Devnet only.
contract DemoFeed {
    struct Price {
        int256 value;
        uint64 round;
        uint64 updatedAt;
        address publisher;
    }

    /// @notice Who may publish. Slot 0, written by genesis.
    mapping(address account => bool) public isPublisher;

    /// @dev Slot 1.
    mapping(bytes32 feed => Price) private prices;

    event PricePublished(
        bytes32 indexed feed, address indexed publisher, int256 value, uint64 round, uint64 updatedAt
    );

    /// @notice The sender is not on the allow-list.
    error NotPublisher(address sender);

    /// @notice Makes `value` the newest value of `feed`.
    function publish(bytes32 feed, int256 value) external {
        if (!isPublisher[msg.sender]) revert NotPublisher(msg.sender);
        Price storage price = prices[feed];
        uint64 round = price.round + 1;
        uint64 updatedAt = uint64(block.timestamp);
        price.value = value;
        price.round = round;
        price.updatedAt = updatedAt;
        price.publisher = msg.sender;
        emit PricePublished(feed, msg.sender, value, round, updatedAt);
    }

    /// @notice The newest value of `feed`; round 0 where nothing was published.
    function latest(bytes32 feed) external view returns (Price memory) {
        return prices[feed];
    }
}
