import { prune, readAge } from '../prune.ts'
import { countPrunable } from '../store/prune.ts'
import { commandConfig, withOpenDatabase } from './context.ts'
import { CommandError, EXIT } from './exit.ts'
import { print } from './output.ts'
import { createProgress } from './progress.ts'

/** Deletes what was settled long ago. */
export async function runPrune(options: { olderThan: string; dryRun?: boolean }): Promise<void> {
  const before = new Date(Date.now() - ageMs(options.olderThan))
  const config = commandConfig()
  if (config.databaseUrl === null) throw new CommandError(EXIT.config, 'prune needs DATABASE_URL')
  const stopping = new AbortController()
  process.once('SIGINT', () => stopping.abort())
  process.once('SIGTERM', () => stopping.abort())
  await withOpenDatabase('prune', config, config.databaseUrl, async ({ db, where }) => {
    const what = { before, hasExchange: config.amqpUrl !== null }
    if (options.dryRun) {
      const count = await countPrunable(db, what)
      print(`${where}: ${count} transactions are to be pruned: settled before ${before.toISOString()}`)
      return
    }
    const progress = createProgress('transactions pruned')
    const show = ({ transactions, total }: { transactions: number; total: number }) =>
      progress.show(transactions, total)
    const done = await prune(db, what, show, stopping.signal).finally(progress.end)
    print(`${where}: pruned ${done.transactions} transactions and ${done.events} events`)
  })
}

function ageMs(text: string): number {
  try {
    return readAge(text)
  } catch (error) {
    throw new CommandError(EXIT.config, `--older-than: ${(error as Error).message}`)
  }
}
