// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title BenchToken: OpenZeppelin's ERC-20 as it is.
/// @dev The benchmarks' state places the runtime code and writes balances (slot 0) and allowances
///      (slot 1); no constructor runs there.
contract BenchToken is ERC20("Bench", "BENCH") {}
