// Public report: harmony-one/harmony#2278 (getTransactionByHash answers with another transaction).
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { createFleet, detailOf, type Fleet, registerAll } from '../../support/fleet-world.ts'
import { type Fault, randomHash, type ScriptedNode, startScriptedNode } from '../../support/scripted-node.ts'

/** Longer than a suspicion that a nonce is used up must last. */
const LONG_ENOUGH_MS = 11_500
/** Of the transactions that lies are about. */
const OWN = { sender: `0x${'dd'.repeat(20)}`, nonce: 7 }
/** Of another transaction, which is included: its nonce is used up. */
const OTHER = { sender: `0x${'cc'.repeat(20)}`, nonce: 3 }

type Record = { readonly [field: string]: unknown }

/** Answers the first questions of a method about a hash otherwise, each time. */
function lies(times: number): {
  readonly fault: Fault
  about(txHash: string, method: string, alter: (right: unknown) => unknown): void
} {
  const told = new Map<string, { left: number; alter: (right: unknown) => unknown }>()
  return {
    fault: (method, [first]) => {
      const lie = told.get(`${method.replace(/^[a-z]+_/, '')} ${String(first)}`)
      if (!lie || lie.left === 0) return null
      lie.left -= 1
      return { kind: 'altered', alter: lie.alter }
    },
    about: (txHash, method, alter) => void told.set(`${method} ${txHash}`, { left: times, alter }),
  }
}

describe('one answer about another transaction', () => {
  let fleet: Fleet
  let running: RoleProcess
  let other: string
  const once = lies(1)

  beforeAll(async () => {
    fleet = await createFleet('table', { FOLLOW_BLOCKS: 'on' })
    other = randomHash()
    fleet.chain.include(other, OTHER)
    fleet.node.fault = once.fault
    running = await fleet.start('start')
  })
  afterAll(() => fleet.close())

  /** Included after the time that a false replacement takes; neither that nor a false sender is left of the lie. */
  async function expectConfirmed(txHash: string): Promise<void> {
    await registerAll(running, [{ txHash, kind: 'order' }])
    await fleet.untilCheckedFor(txHash, LONG_ENOUGH_MS)
    fleet.chain.include(txHash, OWN)
    const { id } = await fleet.untilConfirmedOnce(txHash)
    expect([null, OWN.sender]).toContain((await detailOf(running, id))['from'])
  }

  const transactionOf = (txHash: string) =>
    fleet.chain.answer('klay_getTransactionByHash', [txHash]) as Record
  const receiptOf = (txHash: string) => fleet.chain.answer('klay_getTransactionReceipt', [txHash]) as Record

  it.concurrent('with its own hash replaces nothing', async () => {
    const txHash = randomHash()
    once.about(txHash, 'getTransactionByHash', () => transactionOf(other))
    await expectConfirmed(txHash)
  })

  it.concurrent('without a hash replaces nothing', async () => {
    const txHash = randomHash()
    once.about(txHash, 'getTransactionByHash', () => ({ ...transactionOf(other), hash: undefined }))
    await expectConfirmed(txHash)
  })

  it.concurrent('with a hash that is no text replaces nothing', async () => {
    const txHash = randomHash()
    once.about(txHash, 'getTransactionByHash', () => ({ ...transactionOf(other), hash: [txHash] }))
    await expectConfirmed(txHash)
  })

  it.concurrent('with the hash that was asked for, and never again, replaces nothing', async () => {
    const txHash = randomHash()
    once.about(txHash, 'getTransactionByHash', () => ({ ...transactionOf(other), hash: txHash }))
    await expectConfirmed(txHash)
  })

  it.concurrent('in place of its receipt is no verdict', async () => {
    const txHash = randomHash()
    once.about(txHash, 'getTransactionReceipt', () => receiptOf(other))
    await expectConfirmed(txHash)
  })

  it.concurrent('in place of its receipt, without a hash, is no verdict', async () => {
    const txHash = randomHash()
    once.about(txHash, 'getTransactionReceipt', () => ({ ...receiptOf(other), transactionHash: undefined }))
    await expectConfirmed(txHash)
  })

  it.concurrent('for a receipt in a block that is not there is no verdict', async () => {
    const txHash = randomHash()
    once.about(txHash, 'getTransactionReceipt', () => ({
      ...receiptOf(other),
      transactionHash: txHash,
      blockHash: `0x${'77'.repeat(32)}`,
    }))
    await expectConfirmed(txHash)
  })
})

describe('two nodes, of which the second answers about another transaction', () => {
  let fleet: Fleet
  let running: RoleProcess
  let second: ScriptedNode
  const twice = lies(2)

  beforeAll(async () => {
    fleet = await createFleet('table', { FOLLOW_BLOCKS: 'on' })
    second = await startScriptedNode({ chain: fleet.chain })
    second.fault = twice.fault
    running = await fleet.start('start', { RPC_URLS: `${fleet.node.url},${second.url}` })
  })
  afterAll(async () => {
    await fleet.close()
    await second.stop()
  })

  it.concurrent.each([
    ['nothing of it', {}],
    ['the right sender and nonce', { from: OWN.sender, nonce: OWN.nonce }],
  ])('replace nothing where the backend said %s', async (_name, given) => {
    const [txHash, other] = [randomHash(), randomHash()]
    fleet.chain.include(other, OTHER)
    const lie = fleet.chain.answer('klay_getTransactionByHash', [other])
    twice.about(txHash, 'getTransactionByHash', () => lie)
    await registerAll(running, [{ txHash, kind: 'order', ...given }])
    // The second node is asked from the third check on.
    await fleet.untilCheckedFor(txHash, LONG_ENOUGH_MS + 3_000)
    fleet.chain.include(txHash, OWN)
    const { id } = await fleet.untilConfirmedOnce(txHash)
    expect([null, OWN.sender]).toContain((await detailOf(running, id))['from'])
  })
})

describe('a header of another block', () => {
  it.concurrent.each([
    ['hash', `0x${'77'.repeat(32)}`],
    ['hash', undefined],
    ['number', '0x1'],
  ])(
    'with %s %s in place of that of the receipt is no verdict, and no error for long',
    async (field, value) => {
      const fleet = await createFleet('table')
      try {
        let left = 4
        fleet.node.fault = (method, [first]) => {
          if (!/_get(Header|Block)ByNumber$/.test(method) || first === 'latest' || left === 0) return null
          left -= 1
          return { kind: 'altered', alter: (right) => ({ ...(right as object), [field]: value }) }
        }
        const running = await fleet.start('start')
        const txHash = randomHash()
        fleet.chain.include(txHash)
        await registerAll(running, [{ txHash, kind: 'order' }])
        await fleet.untilConfirmedOnce(txHash)
        expect(left).toBe(0)
      } finally {
        await fleet.close()
      }
    },
  )
})
