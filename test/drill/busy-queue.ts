import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { v7 as uuidv7 } from 'uuid'
import { encodeChecks } from '../../src/domain/message.ts'
import { withChannel } from '../support/channel.ts'
import { NAMES } from './queues.ts'

/** Keeps the check queue from ever being short. */
export interface BusyQueue {
  /** The fewest ready messages that were read, and how often they were read. */
  seen(): { readonly fewest: number; readonly readings: number; readonly sent: number }
  /** Counts from now on. */
  watch(): void
  stop(): Promise<void>
}

const READY = 600
const PAUSE_MS = 10

/** Fills the queue with checks of a settled transaction, one in a message: workers load its row and acknowledge. */
export async function keepQueueBusy(db: Knex, url: string): Promise<BusyQueue> {
  const id = uuidv7()
  const txHash = `0x${randomBytes(32).toString('hex')}`
  await db('confirmd.transaction_history').insert({
    ...{ id, chain: 'kaia', tx_hash: txHash, kind: 'default', payload: 'null', status: 'failed' },
    next_check_at: null,
    settled_at: new Date(),
  })
  const check = { id, chain: 'kaia', txHash, retryCount: 0, dueAt: null, correlationId: null }
  const content = Buffer.from(encodeChecks([check]))
  let [fewest, readings, sent, stopping] = [Number.POSITIVE_INFINITY, 0, 0, false]

  const feeding = withChannel(url, async (channel) => {
    while (!stopping) {
      const { messageCount } = await channel.checkQueue(NAMES.checkQueue)
      fewest = Math.min(fewest, messageCount)
      readings += 1
      for (let missing = READY - messageCount; missing > 0; missing--, sent++)
        channel.sendToQueue(NAMES.checkQueue, content, { persistent: true })
      await sleep(PAUSE_MS)
    }
  })
  return {
    seen: () => ({ fewest, readings, sent }),
    watch: () => {
      fewest = Number.POSITIVE_INFINITY
      readings = 0
    },
    stop: async () => {
      stopping = true
      await feeding
    },
  }
}
