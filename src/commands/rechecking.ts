import type { Check } from '../domain/message.ts'
import type { Transaction } from '../domain/transaction.ts'
import { createSubmit } from '../flows/submit.ts'
import { messageOf, type Parts, SILENT_LOG, withSession } from './context.ts'
import { counted, printError } from './output.ts'

/** What became of one transaction that was to be looked at again. */
export interface Rechecked {
  /** As it was asked for, or the id. */
  readonly id: string
  readonly txHash: string | null
  readonly outcome: 'rechecked' | 'final' | 'not-found'
  /** Afterwards. */
  readonly status: Transaction['status'] | null
}

export type Recheck = (id: string) => Promise<Rechecked>

/** The flow of the HTTP recheck. Without a broker the rows are due all the same, and the sweep publishes their checks. */
export async function withRecheck(
  parts: Parts,
  command: string,
  work: (recheck: Recheck) => Promise<void>,
): Promise<void> {
  if (parts.config.amqpUrls === null) return recheckWith(parts, async () => undefined, work)
  let isBegun = false
  try {
    await withSession(parts.config, command, ({ publishCheck }) => {
      isBegun = true
      return recheckWith(parts, publishCheck, work)
    })
  } catch (error) {
    if (isBegun) throw error
    printError(messageOf(error))
    await recheckWith(parts, () => Promise.reject(error), work)
  }
}

export async function recheckWith(
  { store, config }: Parts,
  publishCheck: (check: Check) => Promise<void>,
  work: (recheck: Recheck) => Promise<void>,
): Promise<void> {
  let unpublished = 0
  async function publish(check: Check): Promise<void> {
    try {
      await publishCheck(check)
    } catch (error) {
      unpublished += 1
      throw error
    }
  }
  const { recheck, drain } = createSubmit({ store, queue: { publish }, policy: config, log: SILENT_LOG })
  try {
    await work(async (id) => {
      const reopened = await recheck(id)
      if (reopened) return { id, txHash: reopened.txHash, outcome: 'rechecked', status: reopened.status }
      const found = await store.load(id)
      if (!found) return { id, txHash: null, outcome: 'not-found', status: null }
      return { id, txHash: found.txHash, outcome: 'final', status: found.status }
    })
  } finally {
    await drain()
  }
  if (unpublished > 0) {
    printError(
      `${counted(unpublished, 'check')} could not be published; the next sweep of a worker publishes ` +
        `${unpublished === 1 ? 'it' : 'them'}`,
    )
  }
}
