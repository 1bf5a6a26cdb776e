import type { Anchor } from '../domain/chain-binding.ts'
import type { Header } from './facts/block.ts'
import { RpcError } from './rpc-error.ts'
import { RPC_METHODS } from './rpc-methods.ts'

/** What the chain's name means in the database. */
export interface ChainBinding {
  /** The block by which a node shows that it is on the chain; null while the chain is not bound. */
  anchor(): Anchor | null
  /** Binds the chain to this block, unless it is bound; resolves with the block that it is bound to. */
  bind(anchor: Anchor): Promise<Anchor>
}

export interface AnchorCheckOptions {
  readonly node: string
  /** The chain's name. */
  readonly chain: string
  readonly binding: ChainBinding
  readonly finalityDepthBlocks: number
  /** Neither is told to anybody: the node may be on another chain. */
  readonly readHeader: (blockNumber: number) => Promise<Header | null>
  readonly readHead: () => Promise<Header>
  /** Told when the node is found on another chain (the problem), and when it is back on ours (null). */
  readonly onChainChecked: (node: string, problem: string | null) => void
  readonly nowMs: () => number
}

/** A node is asked again after this: behind one address there may be another one by then. */
const CHECKED_FOR_MS = 60_000
const REFUSED_FOR_MS = 5_000
/** A chain is bound once and for all: a single wrong answer must not do it. */
const CONFIRMING_READS = 2

/**
 * Makes sure that a node has the block that the chain's name is bound to, before any answer of it counts; binds the
 * name, if nobody has, to the newest final block of the first node that answers. Rejects with RpcError. A chain id is not
 * enough: every development chain has the same one, and a chain that was begun anew keeps it.
 */
export function createAnchorCheck(options: AnchorCheckOptions): () => Promise<void> {
  const { node, chain, binding, finalityDepthBlocks, readHeader, readHead, onChainChecked, nowMs } = options
  let validUntilMs = Number.NEGATIVE_INFINITY
  let refusal: RpcError | null = null
  let checking: Promise<void> | null = null

  async function check(): Promise<void> {
    const problem = await problemOf(binding.anchor() ?? (await bind()))
    const error =
      problem === null ? null : new RpcError('wrong-chain', { node, method: RPC_METHODS.header }, problem)
    if (error?.message !== refusal?.message) onChainChecked(node, problem)
    refusal = error
    validUntilMs = nowMs() + (error ? REFUSED_FOR_MS : CHECKED_FOR_MS)
  }

  async function bind(): Promise<Anchor> {
    const head = await readHead()
    const number = Math.max(0, head.number - finalityDepthBlocks)
    const header = number === head.number ? head : await readHeader(number)
    if (!header) {
      const problem = `it does not have block ${number}, which it calls final`
      throw new RpcError('malformed', { node, method: RPC_METHODS.header }, problem)
    }
    for (let reads = 0; reads < CONFIRMING_READS; reads++) {
      if ((await readHeader(number))?.hash === header.hash) continue
      const problem = `it shows block ${number}, to which the chain is to be bound, in two ways`
      throw new RpcError('malformed', { node, method: RPC_METHODS.header }, problem)
    }
    try {
      return await binding.bind({ number, hash: header.hash })
    } catch (error) {
      const problem = `the chain '${chain}' could not be bound in the database: ${(error as Error).message}`
      throw new RpcError('not-bound', { node, method: RPC_METHODS.header }, problem, { cause: error })
    }
  }

  /** Null: it is on our chain, as far as it can show it. */
  async function problemOf({ number, hash }: Anchor): Promise<string | null> {
    const header = await readHeader(number)
    if (header?.hash === hash) return null
    if (header) {
      return (
        `its block ${number} is ${header.hash}, but in this database the chain '${chain}' is the one with ${hash}: it is ` +
        `on another chain. Check RPC_URLS and DATABASE_URL; if the chain was begun anew, 'confirmd chain forget ${chain}'`
      )
    }
    const head = await readHead()
    // A node may have dropped what is old; it is told apart then by its chain id alone.
    if (head.number >= number) return null
    return (
      `its newest block is ${head.number}, but in this database the chain '${chain}' had block ${number}: it is far behind ` +
      `or on another chain. Check RPC_URLS; if the chain was begun anew, 'confirmd chain forget ${chain}'`
    )
  }

  return async () => {
    if (nowMs() >= validUntilMs) {
      checking ??= check().finally(() => {
        checking = null
      })
      await checking
    }
    if (refusal) throw refusal
  }
}
