// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title Settlement
/// @notice The chain's record on L1: batches in index order, the terms that may sign them, and the
/// outputs they claim (PROTOCOL 1, 7 and 8).
/// @dev Checks what L1 can check: index, previous hash, signature, L1 origin, inbox accumulator and
/// that the payload is available (in blobs, or in the calldata of the transaction itself). Whether
/// a payload decodes and executes is the derivation's business: a batch that does not is void there,
/// its index is spent and its range may be posted again, so block ranges may overlap here, but
/// never leave a gap. Anybody may post a signed batch: the poster only pays.
/// The `sequencingWindow` of O5 is published for the derivation and not enforced on a post: blocks
/// forced after the window (O6) need the inbox, and without them a late batch that is refused would
/// stop the chain for good. Both come together with the Portal.
contract Settlement is AccessControl, Pausable {
    /// @notice What the sequencer key signs for a batch; EIP-712 type `Batch`, fields in signing order.
    struct Header {
        uint64 index;
        bytes32 previousBatchHash;
        uint64 firstBlock;
        uint64 lastBlock;
        bytes32 lastBlockHash;
        bytes32 stateRoot;
        bytes32 withdrawalRoot;
        bytes32 flashRoot;
        bytes32 laneStateHash;
        uint64 firstOrigin;
        uint64 lastOriginNumber;
        bytes32 lastOriginHash;
        uint64 delayedCount;
        bytes32 delayedAcc;
        uint64 term;
        bytes32 payloadHash;
    }

    /// @notice A registration of a sequencer key; kept for ever.
    struct Term {
        address operator;
        address key;
    }

    /// @notice The output of a batch's last block, claimed until `challengeWindow` has passed.
    struct Claim {
        bytes32 lastBlockHash;
        bytes32 stateRoot;
        bytes32 withdrawalRoot;
        uint64 lastBlock;
        uint64 postedAt;
        bool deleted;
    }

    struct Config {
        uint64 chainId;
        bytes32 genesisHash;
        bytes32 policyHash;
        address sequencer;
        address operator;
        address admin;
        address guardian;
        uint64 sequencingWindow;
        uint64 challengeWindow;
    }

    /// @notice May pause posting and delete claims that are not final.
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");

    bytes32 public constant BATCH_TYPEHASH = keccak256(
        "Batch(uint64 index,bytes32 previousBatchHash,uint64 firstBlock,uint64 lastBlock,bytes32 lastBlockHash,bytes32 stateRoot,bytes32 withdrawalRoot,bytes32 flashRoot,bytes32 laneStateHash,uint64 firstOrigin,uint64 lastOriginNumber,bytes32 lastOriginHash,uint64 delayedCount,bytes32 delayedAcc,uint64 term,bytes32 payloadHash)"
    );
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
    );
    /// @dev EIP-2935: hashes of the last 8191 blocks.
    address private constant HISTORY_CONTRACT = 0x0000F90827F1C53a10cb7A02335B175320002935;
    uint256 private constant BLOCKHASH_WINDOW = 256;
    /// @dev Blocks of one batch, as the payload codec has it. Also keeps every height small.
    uint64 private constant BLOCKS_MAX = 4096;
    /// @dev Bounded by what EIP-2935 still serves, with room for a late post.
    uint64 private constant SEQUENCING_WINDOW_MAX = 8_000;

    uint64 public immutable chainId;
    bytes32 public immutable genesisHash;
    /// @notice Policy 1, in force from genesis.
    bytes32 public immutable policyHash;
    /// @notice L1 blocks; for the derivation.
    uint64 public immutable sequencingWindow;
    /// @notice Seconds.
    uint64 public immutable challengeWindow;

    /// @notice Index the next batch must carry.
    uint64 public nextIndex;
    /// @notice Highest block any batch has covered.
    uint64 public highestBlock;
    /// @notice Struct hash of the newest batch header; zero before the first.
    bytes32 public lastBatchHash;

    mapping(uint64 term => Term) public terms;
    mapping(uint64 index => bytes32) public batchHashes;
    mapping(uint64 index => Claim) private _claims;

    /// @param blobHashes Versioned hashes of the payload's blobs; empty where it is in calldata.
    event BatchPosted(
        uint64 indexed index, bytes32 batchHash, Header header, bytes signature, bytes32[] blobHashes
    );
    event TermRegistered(uint64 indexed term, address indexed operator, address indexed key);
    event ClaimDeleted(uint64 indexed index, bytes32 batchHash);

    error InvalidConfig();
    error WrongIndex(uint64 expected, uint64 actual);
    error WrongPreviousBatch(bytes32 expected, bytes32 actual);
    error EmptyRange(uint64 firstBlock, uint64 lastBlock);
    error TooManyBlocks(uint64 firstBlock, uint64 lastBlock);
    error BlockGap(uint64 highestBlock, uint64 firstBlock);
    error UnknownTerm(uint64 term);
    error WrongSigner(address expected, address actual);
    error WrongOriginRange(uint64 firstOrigin, uint64 lastOriginNumber);
    error OriginNotCanonical(uint64 number, bytes32 expected, bytes32 actual);
    error WrongAccumulator();
    error WrongPayloadHash(bytes32 expected, bytes32 actual);
    error NoPayload();
    error SurplusBlobs();
    error PayloadNotInTransaction();
    error NoClaim(uint64 index);
    error ClaimFinal(uint64 index);

    constructor(Config memory config) {
        if (
            config.chainId == 0 || config.genesisHash == 0 || config.policyHash == 0
                || config.sequencer == address(0) || config.operator == address(0)
                || config.admin == address(0) || config.guardian == address(0)
                || config.challengeWindow == 0 || config.sequencingWindow == 0
                || config.sequencingWindow > SEQUENCING_WINDOW_MAX
        ) revert InvalidConfig();
        chainId = config.chainId;
        genesisHash = config.genesisHash;
        policyHash = config.policyHash;
        sequencingWindow = config.sequencingWindow;
        challengeWindow = config.challengeWindow;
        _grantRole(DEFAULT_ADMIN_ROLE, config.admin);
        _grantRole(GUARDIAN_ROLE, config.guardian);
        terms[1] = Term(config.operator, config.sequencer);
        emit TermRegistered(1, config.operator, config.sequencer);
    }

    /// @notice Records a batch whose payload is in this transaction's blobs or in `payload`.
    /// @param payload Empty for blobs; else the payload, and the transaction must call this
    /// contract directly, so that everybody finds it in the transaction's own calldata.
    function postBatch(Header calldata header, bytes calldata signature, bytes calldata payload)
        external
        whenNotPaused
    {
        if (header.index != nextIndex) revert WrongIndex(nextIndex, header.index);
        if (header.previousBatchHash != lastBatchHash) {
            revert WrongPreviousBatch(lastBatchHash, header.previousBatchHash);
        }
        if (header.lastBlock < header.firstBlock || header.firstBlock == 0) {
            revert EmptyRange(header.firstBlock, header.lastBlock);
        }
        if (header.lastBlock - header.firstBlock >= BLOCKS_MAX) {
            revert TooManyBlocks(header.firstBlock, header.lastBlock);
        }
        if (header.firstBlock - 1 > highestBlock) revert BlockGap(highestBlock, header.firstBlock);
        if (header.delayedCount != 0 || header.delayedAcc != 0) revert WrongAccumulator();
        _checkOrigin(header);
        bytes32[] memory blobHashes = _checkPayload(header.payloadHash, payload);
        bytes32 batchHash = keccak256(abi.encode(BATCH_TYPEHASH, header));
        _checkSignature(header.term, batchHash, signature);

        nextIndex = header.index + 1;
        lastBatchHash = batchHash;
        if (header.lastBlock > highestBlock) highestBlock = header.lastBlock;
        batchHashes[header.index] = batchHash;
        _claims[header.index] = Claim({
            lastBlockHash: header.lastBlockHash,
            stateRoot: header.stateRoot,
            withdrawalRoot: header.withdrawalRoot,
            lastBlock: header.lastBlock,
            postedAt: uint64(block.timestamp),
            deleted: false
        });
        emit BatchPosted(header.index, batchHash, header, signature, blobHashes);
    }

    /// @notice Deletes the claim of a batch whose output is wrong; the batch itself stays.
    function deleteClaim(uint64 index) external onlyRole(GUARDIAN_ROLE) {
        if (index >= nextIndex || _claims[index].deleted) revert NoClaim(index);
        if (_isDue(index)) revert ClaimFinal(index);
        _claims[index].deleted = true;
        emit ClaimDeleted(index, batchHashes[index]);
    }

    function pause() external onlyRole(GUARDIAN_ROLE) {
        _pause();
    }

    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }

    function claim(uint64 index) external view returns (Claim memory) {
        if (index >= nextIndex) revert NoClaim(index);
        return _claims[index];
    }

    /// @notice Whether the output claimed by this batch can no longer be deleted and was not.
    function isFinalized(uint64 index) public view returns (bool) {
        return index < nextIndex && !_claims[index].deleted && _isDue(index);
    }

    /// @notice The newest final claim; reverts while there is none.
    /// @dev Claims fall due in index order: a binary search, then down past deleted ones.
    function latestFinalized() external view returns (uint64 index, Claim memory finalized) {
        uint64 low = 0;
        uint64 high = nextIndex;
        while (low < high) {
            uint64 middle = (low + high) / 2;
            if (_isDue(middle)) low = middle + 1;
            else high = middle;
        }
        while (low > 0) {
            low--;
            if (!_claims[low].deleted) return (low, _claims[low]);
        }
        revert NoClaim(0);
    }

    /// @notice EIP-712 domain of everything that is signed but price reports: this contract, the L2
    /// chain, and the L1 chain as salt.
    function domainSeparator() public view returns (bytes32) {
        return keccak256(
            abi.encode(
                DOMAIN_TYPEHASH,
                keccak256("Pricelane"),
                keccak256("1"),
                uint256(chainId),
                address(this),
                bytes32(block.chainid)
            )
        );
    }

    function _isDue(uint64 index) private view returns (bool) {
        return block.timestamp >= uint256(_claims[index].postedAt) + challengeWindow;
    }

    function _checkSignature(uint64 term, bytes32 batchHash, bytes calldata signature) private view {
        address key = terms[term].key;
        if (key == address(0)) revert UnknownTerm(term);
        bytes32 digest = MessageHashUtils.toTypedDataHash(domainSeparator(), batchHash);
        address signer = ECDSA.recover(digest, signature);
        if (signer != key) revert WrongSigner(key, signer);
    }

    function _checkOrigin(Header calldata header) private view {
        if (header.firstOrigin > header.lastOriginNumber) {
            revert WrongOriginRange(header.firstOrigin, header.lastOriginNumber);
        }
        bytes32 canonical = _blockHash(header.lastOriginNumber);
        if (canonical == 0 || canonical != header.lastOriginHash) {
            revert OriginNotCanonical(header.lastOriginNumber, canonical, header.lastOriginHash);
        }
    }

    /// @dev Zero where L1 does not have the block, or does not know its hash any more. The history
    /// contract (EIP-2935) is asked first: it reaches further back, and it is state, so that a
    /// devnet L1 which is resumed from its state file still answers where BLOCKHASH does not.
    function _blockHash(uint256 number) private view returns (bytes32) {
        if (number >= block.number) return 0;
        (bool ok, bytes memory answer) = HISTORY_CONTRACT.staticcall(abi.encode(number));
        if (ok && answer.length == 32) return abi.decode(answer, (bytes32));
        return block.number - number <= BLOCKHASH_WINDOW ? blockhash(number) : bytes32(0);
    }

    /// @dev A sender with code is refused for calldata: an account delegated by EIP-7702 calls with
    /// `msg.sender == tx.origin` from inside, and the payload would not be the transaction's own.
    function _checkPayload(bytes32 expected, bytes calldata payload)
        private
        view
        returns (bytes32[] memory blobHashes)
    {
        uint256 count = 0;
        while (blobhash(count) != 0) count++;
        blobHashes = new bytes32[](count);
        for (uint256 i = 0; i < count; i++) blobHashes[i] = blobhash(i);

        bytes32 actual;
        if (payload.length == 0) {
            if (count == 0) revert NoPayload();
            actual = keccak256(abi.encodePacked(blobHashes));
        } else {
            if (count != 0) revert SurplusBlobs();
            if (msg.sender != tx.origin || msg.sender.code.length != 0) {
                revert PayloadNotInTransaction();
            }
            actual = keccak256(payload);
        }
        if (actual != expected) revert WrongPayloadHash(expected, actual);
    }
}
