/** All methods of an RPC thread, by name. */
import type { RpcContext } from "./context.ts";
import type { Methods } from "./method.ts";
import { createBlockMethods } from "./methods/blocks.ts";
import { createDebugMethods } from "./methods/debug.ts";
import { createLaneMethods } from "./methods/lane.ts";
import { createLogMethods } from "./methods/logs.ts";
import { createNetMethods } from "./methods/net.ts";
import { createStateMethods } from "./methods/state.ts";
import { createTransactionMethods } from "./methods/transactions.ts";

export function createMethods(context: RpcContext): Methods {
  return {
    ...createBlockMethods(context),
    ...createStateMethods(context),
    ...createTransactionMethods(context),
    ...createLogMethods(context),
    ...createDebugMethods(context),
    ...createNetMethods(context),
    ...createLaneMethods(context),
  };
}
