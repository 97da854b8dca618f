/** Positions that are open, as far as events of this run say it. */
import type { Hex } from "../../lanes/bytes.ts";
import type { Position } from "../perp-market.ts";

/** By trader. */
export type Book = Map<Hex, Position>;
