// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title CrowdedLedger: what the crowd of the crash scenario calls, to fill blocks.
/// @notice Costs about as much as a swap: twenty slots, most of which hold something already.
contract CrowdedLedger {
    uint256 private constant SLOTS = 1_000;
    uint256 private constant WRITES = 20;

    uint256 private next;
    mapping(uint256 place => uint256) private entries;

    /// @notice Writes the next twenty of a thousand slots.
    function work() external {
        uint256 place = next;
        for (uint256 i = 0; i < WRITES; i++)
            entries[(place + i) % SLOTS] = uint256(keccak256(abi.encode(msg.sender, place + i)));
        next = place + WRITES;
    }
}
