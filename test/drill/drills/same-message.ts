import { checkOf, encodeChecks } from '../../../src/domain/message.ts'
import { createStore } from '../../../src/store/store.ts'
import { withChannel } from '../../support/channel.ts'
import type { Drill } from '../drill.ts'
import { startFleet } from '../fleet.ts'
import { QUEUE_ALONE, startParts } from '../parts.ts'
import { demand } from '../poll.ts'
import { NAMES } from '../queues.ts'
import { appear } from '../registrar.ts'
import { areReady } from '../scene.ts'
import { settleAndJudge } from '../settled.ts'

const TRANSACTIONS = 1_000
const COPIES = 50
const WORKERS = 4

/** The same message many times, to workers that all want it at once: one effect each. */
export const sameMessage: Drill = {
  number: 3,
  title: 'the same message 50× to 4 workers, 1,000 transactions',
  run: async (context) => {
    const { ledger, scaled, say } = context
    const parts = await startParts(context, { settings: QUEUE_ALONE })
    const start = () => startFleet(context, 'worker', parts.environment, { size: WORKERS })
    // The first workers bring the queues; they leave so that all copies are there before anyone takes one.
    const declaring = await start()
    await demand('the queues are there', () => areReady(declaring))
    await declaring.stop()

    const entries = ledger.make(scaled(TRANSACTIONS, 50), { absent: 0, maxDelayMs: 1 })
    const messages: Buffer[] = []
    const store = createStore(parts.db, { chain: 'kaia' })
    for (const entry of entries) {
      appear(parts.chain, entry)
      const { txHash } = entry
      const registration = { chain: 'kaia', txHash, kind: 'order', payload: {}, sender: null, nonce: null }
      const { transaction } = await store.record({ ...registration, correlationId: null, traceParent: null })
      entry.recorded = true
      messages.push(Buffer.from(encodeChecks([checkOf(transaction)])))
    }
    await withChannel(parts.rabbitmq.url, async (channel) => {
      for (const message of messages) {
        for (let copy = 0; copy < COPIES; copy++) {
          channel.publish(NAMES.directExchange, NAMES.checkKey, message, { persistent: true })
        }
      }
      // Answered after everything that was sent before it on this channel.
      await channel.checkQueue(NAMES.checkQueue)
    })
    say(
      `${messages.length * COPIES} messages for ${messages.length} transactions wait for ${WORKERS} workers`,
    )
    await start()
    return settleAndJudge(context, parts)
  },
}
