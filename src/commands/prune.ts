import type { Knex } from 'knex'
import { countAllPrunable, prune, readAge } from '../prune.ts'
import { listChainsInUse } from '../store/chain-names.ts'
import { commandConfig, withOpenDatabase } from './context.ts'
import { CommandError, EXIT } from './exit.ts'
import { print } from './output.ts'
import { createProgress } from './progress.ts'

export interface PruneCommandOptions {
  readonly olderThan: string
  /** The configured one if left out. */
  readonly chain?: string
  readonly dryRun?: boolean
}

/** Deletes what was settled long ago. */
export async function runPrune(options: PruneCommandOptions): Promise<void> {
  const before = new Date(Date.now() - ageMs(options.olderThan))
  const config = commandConfig()
  if (config.databaseUrl === null) throw new CommandError(EXIT.config, 'prune needs DATABASE_URL')
  const stopping = new AbortController()
  process.once('SIGINT', () => stopping.abort())
  process.once('SIGTERM', () => stopping.abort())
  await withOpenDatabase('prune', config, config.databaseUrl, async ({ db, where }) => {
    if (options.chain !== undefined) await checkChain(db, options.chain)
    const chain = options.chain ?? config.chain
    const prefix = config.amqpUrls === null ? null : config.amqpPrefix
    const what = { chain, before, prefix }
    if (options.dryRun) {
      const count = await countAllPrunable(db, what)
      print(
        `${where}: ${count} transactions of chain ${chain} are to be pruned: settled before ${before.toISOString()}`,
      )
      return
    }
    const progress = createProgress('transactions pruned')
    const show = ({ transactions }: { transactions: number }) => progress.show(transactions)
    const done = await prune(db, what, show, stopping.signal).finally(progress.end)
    print(`${where}: pruned ${done.transactions} transactions of chain ${chain} and ${done.events} events`)
  })
}

/** A name that was mistyped would delete nothing, and nobody would know. */
async function checkChain(db: Knex, chain: string): Promise<void> {
  const chains = await listChainsInUse(db)
  if (chains.includes(chain)) return
  const known = chains.length > 0 ? `; there are ${chains.join(', ')}` : ''
  throw new CommandError(EXIT.failed, `there are no transactions of chain ${chain} in the database${known}`)
}

function ageMs(text: string): number {
  try {
    return readAge(text)
  } catch (error) {
    throw new CommandError(EXIT.config, `--older-than: ${(error as Error).message}`)
  }
}
