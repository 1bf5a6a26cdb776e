import { createBatch, fulfilled } from '../domain/batch.ts'
import { createBatchRun, MAX_SINGLE_CALLS } from './batch-run.ts'
import { createBatchSize } from './batch-size.ts'
import { createBoundCalls, type PendingCall } from './bound-calls.ts'
import { createChainIdentity } from './chain-identity.ts'
import { RPC_METHODS } from './rpc-methods.ts'
import type { RpcTransport } from './rpc-transport.ts'

export interface BatchingOptions {
  readonly chainId: number
  /** Most calls in one request, the one for the chain id among them; fewer where the node takes fewer. */
  readonly maxCalls: number
  /** Most requests at once. */
  readonly maxInFlight: number
  /** Takes secrets out of what a node said. */
  readonly redact: (text: string) => string
  /** Told when the node is found on another chain (the problem), and when it is back on ours (null). */
  readonly onChainChecked: (node: string, problem: string | null) => void
  readonly clock: () => Date
}

/** A node of our chain, by single calls. */
export interface CallTransport {
  readonly node: string
  /**
   * Resolves with what the node gave as the result, which may be null. It counts only as the node said in the same
   * request that it is on our chain. Rejects with RpcError.
   */
  call(method: string, params: readonly unknown[]): Promise<unknown>
  /** Asks the node for its chain; rejects with RpcError if that is not ours. */
  checkChain(): Promise<void>
  close(): Promise<void>
}

/** A burst of checks is a few requests, and not one for each; a node that hangs delays nobody for long. */
const PATIENCE = { runs: 1, ms: 20 }
/** What a check asks for each transaction. What the follower asks is little, and must not wait behind it. */
const CHECK_METHODS: readonly string[] = [RPC_METHODS.receipt, RPC_METHODS.transaction]
/** A call that failed alone is kept apart from the others for so long. */
const KEPT_APART_MS = 600_000
const MAX_KEPT_APART = 1_000
/** Share of the requests in flight that calls which are kept apart may take. */
const APART_SHARE = 1 / 4

/** Sends calls that are made together as one JSON-RPC batch, as large as the node takes it. */
export function batchTransport(transport: RpcTransport, options: BatchingOptions): CallTransport {
  const { chainId, maxCalls, maxInFlight, redact, onChainChecked, clock } = options
  const { node } = transport
  const nowMs = () => clock().getTime()
  const size = createBatchSize({ maxCalls, nowMs })
  const apart = new Map<string, number>()
  const checkIdentity = createChainIdentity({ node, chainId, onChainChecked })
  const bound = createBoundCalls({ transport, checkIdentity, redact })
  const batchRun = createBatchRun({ node, calls: bound, size, onFailsAlone: keepApart })

  function keepApart(call: PendingCall): void {
    apart.delete(keyOf(call))
    apart.set(keyOf(call), nowMs() + KEPT_APART_MS)
    const [oldest] = apart.keys()
    if (apart.size > MAX_KEPT_APART && oldest !== undefined) apart.delete(oldest)
  }

  function isApart(call: PendingCall): boolean {
    if (apart.size === 0) return false
    const untilMs = apart.get(keyOf(call))
    if (untilMs === undefined) return false
    if (nowMs() < untilMs) return true
    apart.delete(keyOf(call))
    return false
  }

  async function run(calls: readonly PendingCall[]): Promise<PromiseSettledResult<void>[]> {
    await batchRun.run(calls)
    return calls.map(() => fulfilled(undefined))
  }

  /** Most calls of one run: with the one for the chain id they fill a request. */
  const maxItems = () => (size.current() < 2 ? MAX_SINGLE_CALLS : size.current() - 1)
  const sendChecks = createBatch({ run, maxItems, maxRunning: maxInFlight, patience: PATIENCE })
  const sendOthers = createBatch({ run, maxItems, maxRunning: maxInFlight })
  const sendApart = createBatch({ run, maxItems: 1, maxRunning: Math.ceil(maxInFlight * APART_SHARE) })

  function queueOf(call: PendingCall): (call: PendingCall) => Promise<void> {
    if (isApart(call)) return sendApart
    return CHECK_METHODS.includes(call.method) ? sendChecks : sendOthers
  }

  return {
    node,
    call: (method, params) =>
      new Promise((resolve, reject) => {
        const call: PendingCall = {
          method,
          params,
          resolve: (result) => {
            if (apart.size > 0) apart.delete(keyOf(call))
            resolve(result)
          },
          reject,
        }
        queueOf(call)(call).catch(reject)
      }),
    checkChain: bound.checkChain,
    close: transport.close,
  }
}

function keyOf({ method, params }: Pick<PendingCall, 'method' | 'params'>): string {
  return JSON.stringify([method, params])
}
