import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import type { Knex } from 'knex'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type RoleProcess, startRole } from '../../src/dev/role-process.ts'
import { SANDBOX_PREFIXES } from '../../src/dev/sandbox.ts'
import { createTemporaryFolder } from '../../src/dev/temporary-folder.ts'
import type { TransactionView } from '../../src/domain/transaction-view.ts'
import { createLifecycle } from '../../src/lifecycle.ts'
import { openDatabase } from '../../src/store/database.ts'
import { register } from '../support/confirmd.ts'
import {
  environmentOf,
  installExample,
  type RunningExample,
  readCommands,
  readPackageJson,
  type ShownOrder,
  startExample,
} from '../support/nft-mint-example.ts'
import { randomHash } from '../support/scripted-node.ts'
import { startTripwire, type Trip, type Tripwire } from '../support/tripwire.ts'
import { until } from '../support/until.ts'

const RECIPIENT = `0x${'ab'.repeat(20)}`
const TOTAL_SUPPLY = '0x18160ddd'
const OWNER_OF = '0x6352211e'

const lifecycle = createLifecycle((name, error) => {
  throw new Error(name, { cause: error })
})
let confirmd: RoleProcess
let db: Knex
let chainUrl: string
let api: Tripwire
let node: Tripwire
let folder: string
let example: RunningExample

beforeAll(async () => {
  const root = await createTemporaryFolder()
  lifecycle.add('folder', root.remove)
  folder = await installExample(root.path)
  const [, , expiring = ''] = await readCommands()
  const settings = {
    ...{ DATABASE_URL: '', AMQP_URL: '', RPC_URLS: '' },
    // A late one is seen before it stalls.
    ...{ RETRY_DELAYS_MS: '1000', RETRY_LIMIT: '8' },
    ...environmentOf(expiring),
  }
  confirmd = await startRole('start', settings, { workingDirectory: root.path })
  lifecycle.add('confirmd', async () => void (await confirmd.stop()))
  const urls = parseEnv(await readFile(join(root.path, '.confirmd/urls.env'), 'utf8'))
  chainUrl = String(urls['RPC_URLS'])
  db = openDatabase({ url: String(urls['DATABASE_URL']), poolMax: 2, applicationName: 'test' })
  lifecycle.add('database', () => db.destroy())
  api = await startTripwire(confirmd.url)
  lifecycle.add('proxy of the API', () => api.close())
  node = await startTripwire(chainUrl)
  lifecycle.add('proxy of the node', () => node.close())
  lifecycle.add('example', () => example.kill())
  await startAgain()
}, 180_000)
afterAll(() => lifecycle.releaseAll())

async function startAgain(): Promise<void> {
  example = await startExample(folder, { RPC_URLS: node.url, CONFIRMD_URL: api.url })
}

function post(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${example.url}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

async function place(attempt: string, requestKey: string = randomUUID()): Promise<ShownOrder> {
  const response = await post({ requestKey, attempt, recipient: RECIPIENT })
  expect(response.status).toBe(200)
  return (await response.json()) as ShownOrder
}

/** As the page is told of it: the stream's lists, until this order is in the state. */
async function untilShown(id: string, state: string, timeoutMs = 45_000): Promise<ShownOrder> {
  const response = await fetch(`${example.url}/orders/stream`, { signal: AbortSignal.timeout(timeoutMs) })
  let rest = ''
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const messages = (rest + chunk).split('\n\n')
    rest = messages.pop() ?? ''
    for (const message of messages) {
      const orders = JSON.parse(message.replace('data: ', '')) as ShownOrder[]
      const order = orders.find((each) => each.id === id)
      if (order?.state === state) return order
    }
  }
  throw new Error(`the stream ended before order ${id} was ${state}`)
}

async function rpc<T>(method: string, ...params: unknown[]): Promise<T> {
  const response = await fetch(chainUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  return ((await response.json()) as { result: T }).result
}

async function supply(): Promise<number> {
  return Number(await rpc<string>('eth_call', { to: example.contract, data: TOTAL_SUPPLY }, 'latest'))
}

/** No block comes until the work is done. */
async function whileBlocksAreHeld<T>(work: () => Promise<T>): Promise<T> {
  await rpc('evm_setIntervalMining', 0)
  try {
    return await work()
  } finally {
    await rpc('evm_setIntervalMining', 1)
  }
}

/** The transactions that were registered for an order. */
async function watched(orderId: string) {
  return db('confirmd.transaction_history').whereRaw("payload ->> 'orderId' = ?", [orderId]).select()
}

it("its README's commands are those that run here, its dependencies those of confirmd", async () => {
  const [first = '', second = '', expiring = '', ...others] = await readCommands()
  expect(others).toEqual([])
  expect(first).toMatch(/^npm ci\nnpm install --prefix examples\/nft-mint\nHANDLERS=\S+ npm start$/)
  expect(environmentOf(expiring)).toMatchObject(environmentOf(first))
  expect(second).toBe('cd examples/nft-mint\nnpm start')
  const [ours, its] = [await readPackageJson('.'), await readPackageJson('examples/nft-mint')]
  expect(ours.scripts['start']).toBe('npm run build && node dist/main.js start')
  expect(its.scripts['start']).toBe('node server.js')
  const { confirmd: location, ...dependencies } = its.dependencies
  expect(location).toBe('file:../..')
  expect(ours.dependencies).toMatchObject(dependencies)
  expect(ours.overrides['caver-js']).toEqual(its.overrides['caver-js'])
})

it('an order is minted exactly when its transaction is final, however often the click was sent', async () => {
  const before = await supply()
  const seen = new Set<string>()
  const { id, height } = await whileBlocksAreHeld(async () => {
    const requestKey = randomUUID()
    const orders = await Promise.all([1, 2, 3, 4].map(() => place('mint', requestKey)))
    const ids = new Set(orders.map((each) => each.id))
    expect(ids.size).toBe(1)
    const [id = ''] = ids
    await until('confirmd has looked for it twice', async () => {
      const [transaction] = await watched(id)
      return transaction?.retry_count >= 2
    })
    expect(await untilShown(id, 'minting')).toMatchObject({ mintedIn: null, tokenId: null, problem: null })
    return { id, height: Number(await rpc<string>('eth_blockNumber')) }
  })
  await until('it has its verdict', async () => {
    const { rows } = await db.raw(
      `SELECT state, status FROM orders JOIN confirmd.transaction_history ON transaction_history.id = transaction_id
        WHERE orders.id = ?`,
      [id],
    )
    seen.add(`${rows[0].state}, ${rows[0].status}`)
    return rows[0].status !== 'pending'
  })
  expect(['minting, pending', 'minted, confirmed']).toEqual(expect.arrayContaining([...seen]))
  const minted = await untilShown(id, 'minted')
  expect(Number(minted.mintedIn)).toBeGreaterThan(height)
  const receipt = await rpc<{ blockNumber: string }>('eth_getTransactionReceipt', minted.txHash)
  expect(Number(minted.mintedIn)).toBe(Number(receipt.blockNumber))
  const token = BigInt(minted.tokenId ?? 0).toString(16)
  const owner = await rpc<string>(
    'eth_call',
    { to: example.contract, data: OWNER_OF + token.padStart(64, '0') },
    'latest',
  )
  expect(owner.slice(-40)).toBe(RECIPIENT.slice(2))
  expect(await supply()).toBe(before + 1)
  const [transaction, ...others] = await watched(id)
  expect(others).toEqual([])
  expect(minted.watchedAt).toBe(`${api.url}/#/transactions/${transaction.id}`)
})

it('orders that are placed at once are all minted, each once', async () => {
  const before = await supply()
  const orders = await Promise.all([1, 2, 3, 4, 5, 6].map(() => place('mint')))
  const minted = await Promise.all(orders.map(({ id }) => untilShown(id, 'minted')))
  expect(new Set(minted.map(({ tokenId }) => tokenId)).size).toBe(orders.length)
  expect(await supply()).toBe(before + orders.length)
})

it('a mint that reverts is failed and says why; nothing was minted', async () => {
  const before = await supply()
  const { id } = await place('over-limit')
  const failed = await untilShown(id, 'failed')
  expect(failed).toMatchObject({ failure: 'execution reverted', mintedIn: null, tokenId: null })
  expect(await rpc('eth_getTransactionReceipt', failed.txHash)).toMatchObject({ status: '0x0' })
  expect(await supply()).toBe(before)
})

it('every other state can be tried, and is shown as such', { timeout: 120_000 }, async () => {
  const before = await supply()
  const unseen = await place('sandbox-unseen')
  const late = await place('sandbox-late')
  const cancelled = await place('cancelled')
  await untilShown((await place('sandbox-confirmed')).id, 'minted')
  await untilShown((await place('sandbox-failed')).id, 'failed')
  await untilShown(unseen.id, 'stalled')
  await untilShown(late.id, 'minted')
  const [{ retry_count: looks }] = await watched(late.id)
  expect(looks).toBeGreaterThan(1)
  await untilShown(cancelled.id, 'replaced')
  await untilShown(unseen.id, 'expired')
  expect(await supply()).toBe(before)
})

it('a confirmed transaction completes only the order that it was signed for', async () => {
  const { id } = await place('sandbox-unseen')
  const prefix = SANDBOX_PREFIXES.confirm
  const txHash = `${prefix}${randomHash().slice(prefix.length)}`
  const { body } = await register(confirmd.url, { txHash, kind: 'nft-mint', payload: { orderId: id } })
  const refused = await until('the handler has refused it', async () => {
    const response = await fetch(`${confirmd.url}/v1/transactions/${body.id}`)
    const transaction = (await response.json()) as TransactionView
    return transaction.lastError !== null && transaction
  })
  expect(refused).toMatchObject({
    status: 'pending',
    lastError: expect.stringContaining('there is no order'),
  })
  expect(await untilShown(id, 'minting')).toMatchObject({ mintedIn: null })
})

const REGISTER = { method: 'POST', including: '/v1/transactions' } as const
const SEND = { method: 'POST', including: 'klay_sendRawTransaction' } as const
it.each<[string, Trip]>([
  [
    'before it is signed',
    { method: 'POST', including: 'klay_getTransactionCount', moment: 'before it arrives' },
  ],
  ['between signing and registering', { ...REGISTER, moment: 'before it arrives' }],
  ['before it hears that it is registered', { ...REGISTER, moment: 'before its answer' }],
  ['between registering and sending', { ...SEND, moment: 'before it arrives' }],
  ['before it hears that it is sent', { ...SEND, moment: 'before its answer' }],
])('a kill of the example %s loses nothing and mints nothing twice', async (_, trip) => {
  const before = await supply()
  const requestKey = randomUUID()
  const wire = trip.including.startsWith('/') ? api : node
  const killed = wire.trip(trip, () => example.kill())
  await expect(post({ requestKey, attempt: 'mint', recipient: RECIPIENT })).rejects.toThrow('fetch failed')
  await killed
  await startAgain()

  const [{ id }] = await db('orders').where({ request_key: requestKey }).select('id')
  await untilShown(id, 'minted')
  expect((await place('mint', requestKey)).id).toBe(id)
  expect(await supply()).toBe(before + 1)
  expect(await watched(id)).toHaveLength(1)
  // Whoever comes next is not kept waiting by a gap in the nonces.
  await untilShown((await place('mint')).id, 'minted')
  expect(await supply()).toBe(before + 2)
})

it('what is not an order is refused, and so is what another site sends', async () => {
  const order = { requestKey: randomUUID(), attempt: 'mint', recipient: RECIPIENT }
  const before = await db('orders').select('id')
  for (const wrong of [
    { ...order, requestKey: [order.requestKey] },
    { ...order, requestKey: 'x' },
    { ...order, attempt: 'constructor' },
    { ...order, attempt: ['mint'] },
    { ...order, recipient: `${RECIPIENT}'; DROP TABLE orders` },
    null,
  ]) {
    expect((await post(wrong)).status).toBe(400)
  }
  expect((await post({ ...order, more: 'x'.repeat(3_000) })).status).toBe(413)
  expect((await post(order, { 'content-type': 'text/plain' })).status).toBe(415)
  expect((await post(order, { origin: 'https://elsewhere.example' })).status).toBe(403)
  expect(await db('orders').select('id')).toHaveLength(before.length)
})
