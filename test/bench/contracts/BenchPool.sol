// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title BenchPool: a constant-product pool that hands its output to the next pool of a chain.
/// @dev As Uniswap V2 swaps: input arrives before the call, the pool reads both balances, pays out,
///      writes packed reserves and logs; then it calls the next pool, so that a swap through
///      twenty pools is twenty calls deep. The benchmarks' state writes slots 0 to 3.
contract BenchPool {
    error NoInput();

    event Swap(address indexed to, uint256 amountIn, uint256 amountOut);

    IERC20 private tokenIn;
    IERC20 private tokenOut;
    BenchPool private next;
    uint112 private reserveIn;
    uint112 private reserveOut;
    uint32 private swappedAt;

    function swap(address recipient) external returns (uint256) {
        uint256 balanceIn = tokenIn.balanceOf(address(this));
        uint256 amountIn = balanceIn - reserveIn;
        if (amountIn == 0) revert NoInput();
        uint256 charged = amountIn * 997;
        uint256 amountOut = (charged * reserveOut) / (uint256(reserveIn) * 1000 + charged);
        BenchPool following = next;
        bool last = address(following) == address(0);
        address to = last ? recipient : address(following);
        tokenOut.transfer(to, amountOut);
        reserveIn = uint112(balanceIn);
        reserveOut = uint112(tokenOut.balanceOf(address(this)));
        swappedAt = uint32(block.timestamp);
        emit Swap(to, amountIn, amountOut);
        return last ? amountOut : following.swap(recipient);
    }
}

/// @title BenchRouter: pulls the input from the caller and starts the chain of pools.
contract BenchRouter {
    error TooLittle(uint256 amountOut);

    function swap(IERC20 token, BenchPool first, uint256 amountIn, uint256 amountOutMin) external {
        token.transferFrom(msg.sender, address(first), amountIn);
        uint256 amountOut = first.swap(msg.sender);
        if (amountOut < amountOutMin) revert TooLittle(amountOut);
    }
}
