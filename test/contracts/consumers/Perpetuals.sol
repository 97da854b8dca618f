// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// What Pyth publishes of its interface, as far as such a contract uses it.
interface IPyth {
    struct Price {
        int64 price;
        uint64 conf;
        int32 expo;
        uint256 publishTime;
    }

    function getUpdateFee(bytes[] calldata updateData) external view returns (uint256 feeAmount);

    function updatePriceFeeds(bytes[] calldata updateData) external payable;

    function getPriceUnsafe(bytes32 id) external view returns (Price memory price);

    function getPriceNoOlderThan(
        bytes32 id,
        uint256 age
    ) external view returns (Price memory price);

    function getEmaPriceNoOlderThan(
        bytes32 id,
        uint256 age
    ) external view returns (Price memory price);
}

/// A perpetuals market that pulls prices: it pays for an update, reads, and wants to be sure of it.
contract Perpetuals {
    uint256 public constant AGE_MAX_S = 10;
    uint256 public constant CONFIDENCE_MAX_BPS = 100;

    IPyth public immutable pyth;
    bytes32 public immutable id;
    /// With 18 decimals.
    uint256 public mark;

    constructor(IPyth pyth_, bytes32 id_) {
        pyth = pyth_;
        id = id_;
    }

    function trade(bytes[] calldata updateData) external payable {
        uint256 fee = pyth.getUpdateFee(updateData);
        require(msg.value >= fee, "fee");
        pyth.updatePriceFeeds{value: fee}(updateData);
        mark = read(pyth.getPriceNoOlderThan(id, AGE_MAX_S));
    }

    function index() external view returns (uint256) {
        return read(pyth.getEmaPriceNoOlderThan(id, AGE_MAX_S));
    }

    function read(IPyth.Price memory price) private pure returns (uint256) {
        require(price.price > 0 && price.expo <= 0, "price");
        uint256 value = uint256(uint64(price.price));
        require(price.conf * 10_000 <= value * CONFIDENCE_MAX_BPS, "confidence");
        return value * 10 ** uint256(uint32(18 + price.expo));
    }
}
