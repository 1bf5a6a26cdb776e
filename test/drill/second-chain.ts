import { createDrillChain, type DrillChain } from './chain.ts'
import type { DrillContext } from './drill.ts'
import { CHAIN_ID, type PartsOfEitherQueue, rpcUrlsOf, startNodes } from './parts.ts'

/** A chain of a drill with two of them in one database. */
export interface NamedChain {
  readonly name: string
  readonly chainId: number
  readonly chain: DrillChain
  /** The digit in the hashes of its blocks by which they differ from those of the other chain. */
  readonly mark: string
  /** Settings of its processes. */
  readonly environment: Readonly<Record<string, string>>
}

const FIRST = { name: 'kaia', chainId: CHAIN_ID, mark: 'f' }
const SECOND = { name: 'kairos', chainId: 1_001, mark: 'a' }

/** The chain of the parts, and one beside it with as many nodes of its own. */
export async function openTwoChains(
  context: Pick<DrillContext, 'lifecycle' | 'random'>,
  parts: PartsOfEitherQueue,
): Promise<{ first: NamedChain; second: NamedChain }> {
  const chain = createDrillChain(SECOND.mark)
  const shown = { chain, chainId: SECOND.chainId, nodeName: `node of ${SECOND.name}` }
  const nodes = await startNodes(context, shown, { nodes: parts.nodes.length })
  const environment = {
    ...parts.environment,
    ...{ CHAIN: SECOND.name, CHAIN_ID: String(SECOND.chainId), RPC_URLS: rpcUrlsOf(nodes) },
  }
  return {
    first: { ...FIRST, chain: parts.chain, environment: parts.environment },
    second: { ...SECOND, chain, environment },
  }
}
