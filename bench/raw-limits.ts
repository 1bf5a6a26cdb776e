import { randomBytes } from 'node:crypto'
import { connect } from 'amqplib'
import { aLook } from '../src/dev/sample-look.ts'
import type { Lifecycle } from '../src/lifecycle.ts'
import { createBatches } from '../src/store/batches.ts'
import { writeLimits } from '../src/store/write-limits.ts'
import type { Figures } from './benchmark.ts'
import { createDatabase, type Parts } from './parts.ts'

/** What the broker does for one process that does nothing else: publish with confirm, then consume and ack. */
export async function brokerLimit(url: string, count: number): Promise<Figures> {
  const connection = await connect(url)
  try {
    const channel = await connection.createConfirmChannel()
    const queue = `bench-${randomBytes(4).toString('hex')}`
    await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    const content = Buffer.from(
      JSON.stringify({ v: 1, id: randomBytes(16).toString('hex'), txHash: 'x'.repeat(66) }),
    )
    const publishing = Date.now()
    for (let sent = 0; sent < count; sent++) {
      if (!channel.sendToQueue(queue, content, { persistent: true })) {
        await new Promise((resolve) => channel.once('drain', resolve))
      }
    }
    await channel.waitForConfirms()
    const published = Date.now()
    await channel.prefetch(200)
    await new Promise<void>((resolve) => {
      let taken = 0
      void channel.consume(queue, (message) => {
        if (!message) return
        taken += 1
        if (taken % 100 === 0 || taken === count) channel.ack(message, true)
        if (taken === count) resolve()
      })
    })
    const consumed = Date.now()
    await channel.deleteQueue(queue)
    return {
      'published/s': (count * 1_000) / (published - publishing),
      'consumed/s': (count * 1_000) / (consumed - published),
    }
  } finally {
    await connection.close()
  }
}

/** What the database does for our own statements when nothing else is at work. */
export async function databaseLimit(lifecycle: Lifecycle, parts: Parts, count: number): Promise<Figures> {
  const { db } = await createDatabase(lifecycle, parts)
  const { record, settle } = createBatches(db, { chain: 'kaia', limits: writeLimits(0) })
  const hashes = Array.from({ length: count }, () => `0x${randomBytes(32).toString('hex')}`)
  const recording = Date.now()
  const recorded = await Promise.all(
    hashes.map((txHash) => {
      const registration = { chain: 'kaia', txHash, kind: 'plain', payload: { item: txHash.slice(2, 10) } }
      return record({ ...registration, sender: null, nonce: null, correlationId: null, traceParent: null })
    }),
  )
  const look = aLook('confirmed')
  const settling = Date.now()
  await Promise.all(
    recorded.map(({ transaction }) => {
      const { txHash } = transaction
      const inclusion = { blockNumber: 1, blockHash: txHash, transactionIndex: 0, gasUsed: '21000' }
      const raw = { transactionHash: txHash, logsBloom: `0x${'0'.repeat(512)}` }
      const unused = { sender: null, nonce: null, txError: null, notes: [] }
      const receipt = { ...inclusion, ...unused, txHash, succeeded: true, effectiveGasPriceWei: '1', raw }
      return settle(
        {
          transaction,
          status: 'confirmed',
          receipt,
          failure: null,
          look,
          businessWrite: null,
          writeState: 'none',
          onlyIfNoneHandled: false,
        },
        { isAlone: false },
      )
    }),
  )
  const settled = Date.now()
  return {
    'recorded/s': (count * 1_000) / (settling - recording),
    'settled/s': (count * 1_000) / (settled - settling),
  }
}
