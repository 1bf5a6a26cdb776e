import type { Knex } from 'knex'
import type { ChainBinding } from './chain/anchor-check.ts'
import type { Config } from './config.ts'
import { type BoundChain, demandSameChain } from './domain/chain-binding.ts'
import type { Log } from './flows/ports.ts'
import { bindChain, readChain, rebindChain } from './store/chains.ts'

export interface BindingOptions {
  readonly config: Pick<Config, 'chain' | 'chainId'>
  /** Whether the chain is our own, which is begun anew when its file is lost: its name is bound at each start. */
  readonly isEmbedded: boolean
  readonly log: Log
  /** Told if another process has bound the name to another chain meanwhile. */
  readonly onFatal: (error: Error) => void
}

/** What the chain's name means in the database; throws ChainMismatchError if the settings mean another chain. */
export async function openChainBinding(
  db: Knex,
  { config, isEmbedded, log, onFatal }: BindingOptions,
): Promise<ChainBinding> {
  const { chain: name, chainId } = config
  let bound: BoundChain | null = await readChain(db, name)
  if (bound) demandSameChain(bound, chainId)
  let isTrusted = !isEmbedded

  return {
    anchor: () => (isTrusted && bound ? bound.anchor : null),
    bind: async (anchor) => {
      bound = await bindChain(db, { name, chainId, anchor })
      try {
        demandSameChain(bound, chainId)
      } catch (error) {
        onFatal(error as Error)
        throw error
      }
      if (!isTrusted) {
        await rebindChain(db, name, anchor)
        bound = { ...bound, anchor }
        isTrusted = true
      }
      log.info(
        { chain: name, chainId, anchor: bound.anchor },
        'the chain is bound to its name in this database',
      )
      return bound.anchor
    },
  }
}

/** For looking only: compares with what is bound, and binds nothing. */
export async function readChainBinding(db: Knex, chain: string): Promise<ChainBinding> {
  const bound = await readChain(db, chain)
  return { anchor: () => bound?.anchor ?? null, bind: async (anchor) => anchor }
}

/** Without a database: the first node that answers is believed. */
export function unboundChain(): ChainBinding {
  return { anchor: () => null, bind: async (anchor) => anchor }
}
