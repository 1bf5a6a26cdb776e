import type { ChainBinding } from './chain/anchor-check.ts'
import type { Chain } from './chain/chain.ts'
import { providerOf } from './chain/provider.ts'
import type { Config } from './config.ts'
import type { Log } from './flows/ports.ts'
import type { Metrics } from './observe/metrics.ts'
import { createRedact } from './observe/redact.ts'

/** A block's time: what is older errs towards waiting, and is read afresh before anything is called absent for good. */
const RECENT_HEAD_MS = 1_000

/** Providers that must agree on a verdict without a receipt: two, where two are configured. */
export function witnessesOf({ rpcEndpoints }: Pick<Config, 'rpcEndpoints'>): number {
  return Math.min(2, new Set(rpcEndpoints?.map(providerOf)).size)
}

export interface ChainParts {
  readonly metrics: Pick<Metrics, 'rpcCalled'>
  readonly binding: ChainBinding
  /** Told once, at the start, if the nodes that answer are all on another chain. */
  readonly onWrongChain?: (error: Error) => void
}

/** Only a process that asks the chain loads what that needs. */
export async function openConfiguredChain(
  { config, log }: { readonly config: Config; readonly log: Log },
  { metrics, binding, onWrongChain = () => undefined }: ChainParts,
): Promise<Chain> {
  const { openChain } = await import('./chain/chain.ts')
  return openChain({
    endpoints: config.rpcEndpoints ?? [],
    webSocketUrls: config.rpcWebSocketUrls,
    chain: config.chain,
    chainId: config.chainId,
    binding,
    onWrongChain,
    timeoutMs: config.rpcTimeoutMs,
    maxInFlight: config.rpcMaxInFlight,
    maxBatchCalls: config.rpcMaxBatchCalls,
    recentHeadMs: RECENT_HEAD_MS,
    maxLagBlocks: config.rpcMaxLagBlocks,
    maxHeadAgeMs: config.rpcMaxHeadAgeMs,
    finalityDepthBlocks: config.finalityDepthBlocks,
    witnesses: witnessesOf(config),
    redact: createRedact((config.rpcEndpoints ?? []).map(({ url }) => url)),
    onCall: metrics.rpcCalled,
    onChainChecked: (node, problem) => {
      if (problem) log.error({ node, problem }, 'node not used')
      else log.info({ node }, 'node is on the right chain again')
    },
    onAnnouncing: (node, problem) => {
      if (problem) log.warn({ node, problem }, 'no new blocks announced; they are asked for anyway')
      else log.info({ node }, 'new blocks are announced')
    },
  })
}
