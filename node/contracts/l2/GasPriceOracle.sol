// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {L1Block} from "./L1Block.sol";

/// What a transaction will pay beside its L2 gas. Predeploy at 0x4200…000F, asked by wallets before
/// they send; no rule of the protocol reads it.
///
/// Getters and formulas are those of the OP Stack (Isthmus), so that its tools work: the L1 data fee
/// by the estimated size of the compressed transaction (Fjord), and the operator fee.
contract GasPriceOracle {
    string public constant version = "1.4.0";
    uint256 public constant DECIMALS = 6;
    bool public constant isEcotone = true;
    bool public constant isFjord = true;
    bool public constant isIsthmus = true;
    bool public constant isJovian = false;

    L1Block private constant L1_BLOCK = L1Block(0x4200000000000000000000000000000000000015);

    /// Bytes that a signature adds to an unsigned transaction.
    uint256 private constant SIGNATURE_BYTES = 68;
    int256 private constant COST_INTERCEPT = -42_585_600;
    int256 private constant COST_FASTLZ_COEFFICIENT = 836_500;
    int256 private constant SIZE_MIN_SCALED = 100_000_000;
    uint256 private constant GAS_PER_BYTE = 16;

    uint256 private constant HASH_TABLE_SIZE = 8192;
    uint256 private constant HASH_MULTIPLIER = 2_654_435_769;
    uint256 private constant DISTANCE_MAX = 0x1fff;
    /// FastLZ leaves this many bytes at the end uncompressed.
    uint256 private constant TAIL_BYTES = 13;
    uint256 private constant LITERAL_RUN = 32;
    uint256 private constant MATCH_MAX = 262;

    /// wei for the L1 data of a transaction, given as it is before it is signed.
    function getL1Fee(bytes memory unsignedTransaction) external view returns (uint256) {
        return fee(fastLzLength(unsignedTransaction) + SIGNATURE_BYTES);
    }

    /// wei that nearly no transaction of this many unsigned bytes pays more than.
    function getL1FeeUpperBound(uint256 unsignedBytes) external view returns (uint256) {
        uint256 size = unsignedBytes + SIGNATURE_BYTES;
        return fee(size + size / 255 + 16);
    }

    /// L1 gas for the estimated bytes, as calldata that compresses no further.
    function getL1GasUsed(bytes memory unsignedTransaction) external pure returns (uint256) {
        uint256 size = sizeScaled(fastLzLength(unsignedTransaction) + SIGNATURE_BYTES);
        return (size * GAS_PER_BYTE) / 10 ** DECIMALS;
    }

    /// wei for the operator, given the gas that the transaction uses.
    function getOperatorFee(uint256 gasUsed) external view returns (uint256) {
        uint256 scaled = gasUsed * L1_BLOCK.operatorFeeScalar();
        return scaled / 10 ** DECIMALS + L1_BLOCK.operatorFeeConstant();
    }

    function gasPrice() external view returns (uint256) {
        return block.basefee;
    }

    function baseFee() external view returns (uint256) {
        return block.basefee;
    }

    function l1BaseFee() external view returns (uint256) {
        return L1_BLOCK.basefee();
    }

    function blobBaseFee() external view returns (uint256) {
        return L1_BLOCK.blobBaseFee();
    }

    function baseFeeScalar() external view returns (uint32) {
        return L1_BLOCK.baseFeeScalar();
    }

    function blobBaseFeeScalar() external view returns (uint32) {
        return L1_BLOCK.blobBaseFeeScalar();
    }

    function decimals() external pure returns (uint256) {
        return DECIMALS;
    }

    function fee(uint256 fastLzBytes) private view returns (uint256) {
        uint256 perByte = uint256(L1_BLOCK.baseFeeScalar()) * 16 * L1_BLOCK.basefee() +
            uint256(L1_BLOCK.blobBaseFeeScalar()) * L1_BLOCK.blobBaseFee();
        return (sizeScaled(fastLzBytes) * perByte) / 10 ** (2 * DECIMALS);
    }

    /// Estimated compressed bytes, times 10^6.
    function sizeScaled(uint256 fastLzBytes) private pure returns (uint256) {
        int256 scaled = COST_INTERCEPT + COST_FASTLZ_COEFFICIENT * int256(fastLzBytes);
        return uint256(scaled > SIZE_MIN_SCALED ? scaled : SIZE_MIN_SCALED);
    }

    /// Bytes of the FastLZ (level 1) compression of the input, without compressing it. The same
    /// steps as `fastLzLength` of the node, which transactions are charged by.
    function fastLzLength(bytes memory data) private pure returns (uint256 length) {
        unchecked {
            uint256[] memory table = new uint256[](HASH_TABLE_SIZE);
            uint256 limit = data.length < TAIL_BYTES ? 0 : data.length - TAIL_BYTES;
            uint256 anchor = 0;
            uint256 position = 2;
            while (position < limit) {
                // Looks for an earlier place with the same three bytes.
                uint256 earlier = 0;
                bool found = false;
                while (position < limit && !found) {
                    uint256 value = wordAt(data, position);
                    uint256 slot = slotOf(value);
                    earlier = table[slot];
                    table[slot] = position;
                    found = position - earlier <= DISTANCE_MAX && value == wordAt(data, earlier);
                    position += 1;
                }
                if (position >= limit) break;
                position -= 1;
                if (position > anchor) length += literalsLength(position - anchor);
                uint256 matched = matchLength(data, earlier + 3, position + 3, limit + 9);
                length += encodedMatchLength(matched);
                position += matched;
                table[slotOf(wordAt(data, position))] = position;
                table[slotOf(wordAt(data, position + 1))] = position + 1;
                position += 2;
                anchor = position;
            }
            length += literalsLength(data.length - anchor);
        }
    }

    /// Three bytes, the first one lowest.
    function wordAt(bytes memory data, uint256 position) private pure returns (uint256 value) {
        assembly {
            let word := mload(add(add(data, 0x20), position))
            value := or(or(byte(0, word), shl(8, byte(1, word))), shl(16, byte(2, word)))
        }
    }

    function slotOf(uint256 value) private pure returns (uint256) {
        unchecked {
            return (uint256(uint32(HASH_MULTIPLIER * value)) >> 19) & (HASH_TABLE_SIZE - 1);
        }
    }

    /// Equal bytes from both places up to `end`, counting the first that differs.
    function matchLength(bytes memory data, uint256 earlier, uint256 position, uint256 end)
        private
        pure
        returns (uint256 length)
    {
        unchecked {
            while (position + length < end) {
                length += 1;
                if (data[earlier + length - 1] != data[position + length - 1]) break;
            }
        }
    }

    function literalsLength(uint256 run) private pure returns (uint256) {
        unchecked {
            uint256 rest = run % LITERAL_RUN;
            return (LITERAL_RUN + 1) * (run / LITERAL_RUN) + (rest == 0 ? 0 : rest + 1);
        }
    }

    function encodedMatchLength(uint256 matched) private pure returns (uint256) {
        unchecked {
            uint256 rest = (matched - 1) % MATCH_MAX;
            return 3 * ((matched - 1) / MATCH_MAX) + (rest >= 6 ? 3 : 2);
        }
    }
}
