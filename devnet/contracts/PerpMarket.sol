// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// What the market asks of whoever knows the price: PriceFeeds, or one that is written by transactions.
interface IPriceSource {
    struct Market {
        int128 value;
        uint64 confidence;
        uint48 timeMs;
        uint8 session;
        uint8 status;
    }

    function getMarket(bytes32 feedId) external view returns (Market memory);
}

/// @title PerpMarket: the devnet's collateralised perpetuals on ETH/USD, against one pool.
/// @notice A position is opened, closed and liquidated at the price that the chain knows at that
///         moment. Dollars and sizes have eight decimals. Dollars exist only inside this contract:
///         genesis gives them out. There is no funding, and nothing is withdrawn. Devnet only.
/// @dev Genesis places the runtime code and slots 0, 1 and the balances: there is no constructor.
contract PerpMarket {
    struct Position {
        /// Of ether; negative for a short one. Zero: none.
        int128 size;
        /// Dollars for one ether, when it was opened.
        uint128 entry;
        uint128 collateral;
    }

    error NoPosition(address trader);
    error PositionExists(address trader);
    error SizeZero();
    /// A rescue that rescues nothing would be the fastest way to fill the class.
    error AmountZero();
    error BalanceTooLow(uint256 balance, uint256 needed);
    error CollateralTooLow(uint256 collateral, uint256 needed);
    error Solvent(address trader, int256 equity, uint256 needed);
    /// The last price is older than a market may trade on, held because of a jump, or of a closed session.
    error PriceNotUsable(uint256 ageSeconds, uint8 session, uint8 status);

    event Opened(address indexed trader, int128 size, uint256 price, uint256 collateral);
    event Closed(address indexed trader, int128 size, uint256 price, int256 equity);
    event ToppedUp(address indexed trader, uint256 collateral);
    /// `equity` below zero is bad debt: the pool bears it.
    event Liquidated(
        address indexed trader, address indexed keeper, int128 size, uint256 price, int256 equity
    );

    bytes32 private constant FEED = keccak256("ETH/USD");
    uint256 private constant ONE = 1e8;
    uint256 private constant BPS = 10_000;
    /// Of a position's value: what opening needs, what it is liquidated below, what a trade and a
    /// liquidation cost.
    uint256 private constant INITIAL_BPS = 500;
    uint256 private constant MAINTENANCE_BPS = 250;
    uint256 private constant FEE_BPS = 10;
    uint256 private constant REWARD_BPS = 50;
    uint256 private constant AGE_MAX_SECONDS = 60;
    uint8 private constant CLOSED = 5;
    uint8 private constant HALTED = 6;

    /// @notice Who knows the price. Slot 0, written by genesis.
    IPriceSource public source;
    /// @notice What all positions are against. Slot 1, written by genesis.
    int256 public pool;
    /// @notice What positions have left unpaid when they ended, in all.
    uint256 public badDebt;
    /// @notice Dollars of an account that are in no position. Slot 3, written by genesis.
    mapping(address account => uint256) public balanceOf;
    mapping(address trader => Position) private positions;

    /// @notice Buys (or, below zero, sells) `size` at the chain's price with so much collateral.
    function open(int128 size, uint128 collateral) external {
        if (size == 0) revert SizeZero();
        if (positions[msg.sender].size != 0) revert PositionExists(msg.sender);
        uint256 price = usablePrice();
        uint256 worth = worthOf(size, price);
        uint256 needed = (worth * INITIAL_BPS) / BPS;
        if (collateral < needed) revert CollateralTooLow(collateral, needed);
        uint256 fee = (worth * FEE_BPS) / BPS;
        take(msg.sender, collateral + fee);
        pool += int256(fee);
        positions[msg.sender] = Position(size, uint128(price), collateral);
        emit Opened(msg.sender, size, price, collateral);
    }

    /// @notice Closes the caller's position at the chain's price.
    function close() external {
        Position memory position = positionOf(msg.sender);
        uint256 price = usablePrice();
        int256 equity = equityAt(position, price);
        uint256 fee = (worthOf(position.size, price) * FEE_BPS) / BPS;
        settle(msg.sender, position, equity, fee, address(0));
        emit Closed(msg.sender, position.size, price, equity);
    }

    /// @notice Adds collateral to the caller's position. Needs no price.
    function topUp(uint128 amount) external {
        if (amount == 0) revert AmountZero();
        Position memory position = positionOf(msg.sender);
        take(msg.sender, amount);
        position.collateral += amount;
        positions[msg.sender].collateral = position.collateral;
        emit ToppedUp(msg.sender, position.collateral);
    }

    /// @notice Closes a position that has too little left; for anybody, who gets half a percent.
    function liquidate(address trader) external {
        Position memory position = positionOf(trader);
        uint256 price = usablePrice();
        int256 equity = equityAt(position, price);
        uint256 worth = worthOf(position.size, price);
        uint256 needed = (worth * MAINTENANCE_BPS) / BPS;
        if (equity >= int256(needed)) revert Solvent(trader, equity, needed);
        settle(trader, position, equity, (worth * REWARD_BPS) / BPS, msg.sender);
        emit Liquidated(trader, msg.sender, position.size, price, equity);
    }

    /// @notice Reverts where there is none.
    function positionOf(address trader) public view returns (Position memory position) {
        position = positions[trader];
        if (position.size == 0) revert NoPosition(trader);
    }

    /// @notice What a position is worth to its owner at a price: below zero it is bad debt.
    function equityAt(Position memory position, uint256 price) public pure returns (int256) {
        int256 gain = (int256(position.size) * (int256(price) - int256(uint256(position.entry)))) /
            int256(ONE);
        return int256(uint256(position.collateral)) + gain;
    }

    /// @notice The chain's price, where a market may trade on it.
    function usablePrice() public view returns (uint256) {
        IPriceSource.Market memory market = source.getMarket(FEED);
        uint256 second = market.timeMs / 1000;
        uint256 age = second < block.timestamp ? block.timestamp - second : 0;
        bool isShut = market.session == CLOSED || market.session == HALTED;
        if (age > AGE_MAX_SECONDS || isShut || market.status != 0 || market.value <= 0)
            revert PriceNotUsable(age, market.session, market.status);
        return uint256(int256(market.value));
    }

    /// Pays a position out: first `cost`, to the keeper or else to the pool, the rest to the trader.
    function settle(
        address trader,
        Position memory position,
        int256 equity,
        uint256 cost,
        address keeper
    ) private {
        delete positions[trader];
        // The pool is the other side of the gain, and bears what the collateral does not cover.
        pool += int256(uint256(position.collateral)) - (equity > 0 ? equity : int256(0));
        if (equity <= 0) {
            badDebt += uint256(-equity);
            return;
        }
        uint256 left = uint256(equity);
        if (cost > left) cost = left;
        if (keeper == address(0)) pool += int256(cost);
        else balanceOf[keeper] += cost;
        balanceOf[trader] += left - cost;
    }

    function take(address account, uint256 amount) private {
        uint256 balance = balanceOf[account];
        if (balance < amount) revert BalanceTooLow(balance, amount);
        balanceOf[account] = balance - amount;
    }

    function worthOf(int128 size, uint256 price) private pure returns (uint256) {
        int256 wide = size;
        return (uint256(wide < 0 ? -wide : wide) * price) / ONE;
    }
}
