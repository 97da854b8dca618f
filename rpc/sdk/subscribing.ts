/** Subscriptions and methods that viem does not know. A broken connection is the transport's. */

export interface SubscriptionHandlers {
  onData(data: { readonly result: unknown }): void;
  onError(error: unknown): void;
}

/** As the transport of viem's `webSocket` has it. */
interface Subscribing {
  subscribe(
    parameters: SubscriptionHandlers & { readonly params: readonly unknown[] },
  ): Promise<{ unsubscribe(): Promise<unknown> }>;
}

/** What is used of a client of viem's, whatever its chain and its methods. */
export interface LaneClient {
  readonly transport: object;
  readonly request: unknown;
}

/**
 * Resolves when the node has begun to tell; call the result to end it. Errors: `RangeError` where
 * the client's transport cannot subscribe.
 */
export async function subscribe(
  { transport }: Pick<LaneClient, "transport">,
  params: readonly unknown[],
  handlers: SubscriptionHandlers,
): Promise<() => Promise<void>> {
  if (!("subscribe" in transport))
    throw new RangeError("watching needs a client with viem's webSocket transport");
  const subscription = await (transport as Subscribing).subscribe({ params, ...handlers });
  return async () => {
    await subscription.unsubscribe();
  };
}

/** Any method of the node: viem types those that it knows. */
export type AnyRequest = (call: {
  readonly method: string;
  readonly params: readonly unknown[];
}) => Promise<unknown>;

export function anyRequest({ request }: Pick<LaneClient, "request">): AnyRequest {
  return request as AnyRequest;
}
