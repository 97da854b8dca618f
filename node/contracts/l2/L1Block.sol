// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// What L2 knows of the newest L1 block it follows. Predeploy at 0x4200…0015.
///
/// Written once a block by the protocol's depositor account; the node reads the fee slots from it.
/// Storage layout, getters and selector are those of the OP Stack (Isthmus), so that its tools work.
contract L1Block {
    error NotDepositor();

    address public constant DEPOSITOR_ACCOUNT = 0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001;

    // Slot 0
    uint64 public number;
    uint64 public timestamp;
    // Slot 1, wei
    uint256 public basefee;
    // Slot 2
    bytes32 public hash;
    // Slot 3
    uint64 public sequenceNumber;
    uint32 public blobBaseFeeScalar;
    uint32 public baseFeeScalar;
    // Slot 4
    bytes32 public batcherHash;
    // Slots 5 and 6: unused since Ecotone, kept for the layout.
    uint256 public l1FeeOverhead;
    uint256 public l1FeeScalar;
    // Slot 7, wei
    uint256 public blobBaseFee;
    // Slot 8
    uint64 public operatorFeeConstant;
    uint32 public operatorFeeScalar;

    /// Takes 172 packed bytes after the selector, in the order of the OP Stack's Isthmus attributes:
    /// u32 baseFeeScalar, u32 blobBaseFeeScalar, u64 sequenceNumber, u64 timestamp, u64 number,
    /// u256 basefee, u256 blobBaseFee, bytes32 hash, bytes32 batcherHash, u32 operatorFeeScalar,
    /// u64 operatorFeeConstant.
    function setL1BlockValuesIsthmus() external {
        if (msg.sender != DEPOSITOR_ACCOUNT) revert NotDepositor();
        assembly {
            // The packed fields stand in calldata as they stand in their slots.
            sstore(sequenceNumber.slot, shr(128, calldataload(4)))
            sstore(number.slot, shr(128, calldataload(20)))
            sstore(basefee.slot, calldataload(36))
            sstore(blobBaseFee.slot, calldataload(68))
            sstore(hash.slot, calldataload(100))
            sstore(batcherHash.slot, calldataload(132))
            sstore(operatorFeeConstant.slot, shr(160, calldataload(164)))
        }
    }
}
