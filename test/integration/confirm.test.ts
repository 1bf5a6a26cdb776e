import { afterEach, beforeEach, expect, it } from 'vitest'
import { describeOnEachQueue } from '../support/broker.ts'
import { createWorld, register, untilRow, untilStatus, type World } from '../support/confirmd.ts'
import { countOrders, createOrderTables, eventsOf, ORDER_HANDLERS } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

describeOnEachQueue('from the hash to the verdict', (kind) => {
  let world: World
  beforeEach(async () => {
    world = await createWorld(kind, { HANDLERS: ORDER_HANDLERS, RETRY_LIMIT: '3' })
    await createOrderTables(world.db)
  })
  afterEach(() => world.close())

  it('success: verdict, business write, receipt and event are committed, once', async () => {
    const { url, log } = await world.start()
    const txHash = randomHash()
    world.node.include(txHash)
    const { body } = await register(url, { txHash, kind: 'order' })
    const row = await untilStatus(world.db, txHash, 'confirmed')
    expect(row).toMatchObject({
      is_confirmed: true,
      block_number: '101',
      gas_used: '21000',
      effective_gas_price: '50000000000',
      failure_code: null,
      next_check_at: null,
      receipt: { transactionHash: txHash, status: '0x1' },
    })
    expect(await countOrders(world.db, txHash)).toBe(1)
    const events = await eventsOf(world.db, body.id)
    expect(events).toMatchObject([
      { status: 'confirmed', data: { id: body.id, txHash, status: 'confirmed' } },
    ])
    const shown = await (await fetch(`${url}/v1/transactions/${body.id}`)).json()
    expect(shown).toMatchObject({ status: 'confirmed', receipt: { blockNumber: 101, gasUsed: '21000' } })
    expect(shown).toMatchObject(events[0]?.data ?? {})
    await until('it is logged', () =>
      log.some((line) => line.msg === 'transaction confirmed' && line['id'] === body.id),
    )
  })

  it('a revert is failed at the first look, with its reason and without the business write', async () => {
    const { url } = await world.start()
    const txHash = randomHash()
    world.node.include(txHash, { succeeded: false, txError: '0x9' })
    const { body } = await register(url, { txHash, kind: 'order' })
    const row = await untilStatus(world.db, txHash, 'failed')
    expect(row).toMatchObject({
      failure_code: '0x9',
      failure_name: 'execution reverted',
      retry_count: 0,
      is_confirmed: false,
    })
    expect(world.node.looks(txHash)).toHaveLength(1)
    expect(await countOrders(world.db, txHash)).toBe(0)
    expect(await eventsOf(world.db, body.id)).toMatchObject([{ status: 'failed' }])
  })

  it('a handler may write for failures as well', async () => {
    const { url } = await world.start()
    const txHash = randomHash()
    world.node.include(txHash, { succeeded: false })
    await register(url, { txHash, kind: 'both' })
    await untilStatus(world.db, txHash, 'failed')
    expect(await world.db('orders').where({ tx_hash: txHash }).select('status')).toEqual([
      { status: 'failed' },
    ])
  })

  it('a kind that is declared to have no write only gets its verdict and its event, and says so', async () => {
    const { url } = await world.start()
    const txHash = randomHash()
    world.node.include(txHash)
    const { body } = await register(url, { txHash, kind: 'plain' })
    const row = await untilStatus(world.db, txHash, 'confirmed')
    expect(row['write_state']).toBe('none')
    expect(await eventsOf(world.db, body.id)).toHaveLength(1)
  })

  it('a kind that nobody handles is parked where others are handled, with a reason that names it', async () => {
    const { url } = await world.start()
    const txHash = randomHash()
    world.node.include(txHash)
    await register(url, { txHash, kind: 'unheard-of' })
    const row = await untilRow(world.db, txHash, 'parked', (each) => each['parked_at'] !== null)
    expect(row).toMatchObject({ status: 'pending', park_code: 'no-handler' })
    expect(row['last_error']).toMatch(/no handler of kind 'unheard-of' was ever seen; handled are: both, /)
  })

  it('a receipt that comes late is waited for, a log line for each retry', async () => {
    const { url, log } = await world.start()
    const txHash = randomHash()
    const { body } = await register(url, { txHash, kind: 'order' })
    await untilRow(world.db, txHash, 'waiting', (row) => row['retry_count'] === 2)
    world.node.include(txHash)
    await untilStatus(world.db, txHash, 'confirmed')
    expect(await countOrders(world.db, txHash)).toBe(1)
    const waits = log.filter((line) => line.msg === 'transaction waiting' && line['id'] === body.id)
    expect(waits.slice(0, 2)).toMatchObject([
      { txHash, chain: 'kaia', kind: 'order', retryCount: 1, reason: 'receipt-absent', delayMs: 100 },
      { txHash, retryCount: 2, reason: 'receipt-absent', delayMs: 200 },
    ])
    expect(waits.every((line) => typeof line['correlationId'] === 'string')).toBe(true)
  })

  it('an absent transaction is stalled after the limit, and never failed', async () => {
    const { url, log } = await world.start()
    const txHash = randomHash()
    const { body } = await register(url, { txHash, kind: 'order' })
    const row = await untilStatus(world.db, txHash, 'stalled')
    expect(row).toMatchObject({ retry_count: 3, settled_at: null, failure_code: null })
    expect(world.node.looks(txHash)).toHaveLength(4)
    expect(await countOrders(world.db, txHash)).toBe(0)
    expect(await eventsOf(world.db, body.id)).toMatchObject([{ status: 'stalled' }])
    await until('it is logged', () =>
      log.some((line) => line.msg.startsWith('transaction stalled') && line['id'] === body.id),
    )
  })

  it('a stalled transaction whose receipt came late is settled after a recheck', async () => {
    const { url } = await world.start()
    const txHash = randomHash()
    const { body } = await register(url, { txHash, kind: 'order' })
    await untilStatus(world.db, txHash, 'stalled')
    world.node.include(txHash)
    const recheck = await fetch(`${url}/v1/transactions/${body.id}/recheck`, { method: 'POST' })
    expect(recheck.status).toBe(202)
    expect(await recheck.json()).toMatchObject({ status: 'pending', retryCount: 0 })
    await untilStatus(world.db, txHash, 'confirmed')
    expect(await countOrders(world.db, txHash)).toBe(1)
    expect((await eventsOf(world.db, body.id)).map(({ status }) => status)).toEqual(['stalled', 'confirmed'])
    const again = await fetch(`${url}/v1/transactions/${body.id}/recheck`, { method: 'POST' })
    expect(again.status).toBe(409)
    expect(await again.json()).toMatchObject({
      detail: expect.stringContaining('is confirmed, which is final'),
    })
  })

  it.each([
    ['an RPC error', { kind: 'error', code: -32000, message: 'busy' }],
    ['HTTP 500', { kind: 'status', status: 500 }],
    ['HTTP 429', { kind: 'status', status: 429 }],
    ['an answer that is not JSON', { kind: 'body', body: '<html>' }],
    ['an answer without a result', { kind: 'body', body: '{"jsonrpc":"2.0","id":1}' }],
    ['a lost connection', { kind: 'disconnect' }],
    ['no answer in time', { kind: 'hang' }],
    ['half a receipt', { kind: 'result', result: { blockNumber: '0x1' } }],
  ] as const)('%s spends no attempt, fails nothing and stalls nothing', async (_title, answer) => {
    const { url, log } = await world.start('start', { RPC_TIMEOUT_MS: '100' })
    const txHash = randomHash()
    world.node.include(txHash)
    world.node.fault = (method) => (method === 'klay_getTransactionReceipt' ? answer : null)
    const { body } = await register(url, { txHash, kind: 'order' })
    await until('it was tried more often than the limit', () => world.node.looks(txHash).length > 5)
    // Between two tries the node may be left alone for a while, which is another error.
    const row = await untilRow(world.db, txHash, 'failing', ({ last_error: error }) =>
      String(error).includes('klay_getTransactionReceipt'),
    )
    expect(row).toMatchObject({ status: 'pending', retry_count: 0 })
    expect(log.some((line) => line['reason'] === 'node-unavailable' && line['id'] === body.id)).toBe(true)
    world.node.fault = () => null
    await untilStatus(world.db, txHash, 'confirmed')
    expect(await countOrders(world.db, txHash)).toBe(1)
  })

  it('a node on another chain is not used: its receipts are not looked at', async () => {
    world.node.chainId = 1001
    const { url } = await world.start()
    const txHash = randomHash()
    world.node.include(txHash)
    await register(url, { txHash, kind: 'order' })
    const row = await untilRow(world.db, txHash, 'waiting', (each) => each['last_error'] !== null)
    expect(row).toMatchObject({
      status: 'pending',
      retry_count: 0,
      last_error: expect.stringContaining('is on chain 1001, not 8217'),
    })
    expect(world.node.looks(txHash)).toEqual([])
  })

  it('a receipt that is seen and then gone again fails nothing where depth is asked for', async () => {
    const { url } = await world.start('start', { FINALITY_DEPTH_BLOCKS: '3', RETRY_LIMIT: '100' })
    const txHash = randomHash()
    world.node.include(txHash, { succeeded: false, txError: '0x9' })
    await register(url, { txHash, kind: 'order' })
    await untilRow(world.db, txHash, 'waiting', (row) => row['last_checked_at'] !== null)
    world.node.exclude(txHash)
    const seen = world.node.looks(txHash).length
    await until('it was absent for a look', () => world.node.looks(txHash).length > seen)
    world.node.include(txHash)
    world.node.mine(3)
    await untilStatus(world.db, txHash, 'confirmed')
  })

  it('a business write that throws leaves neither itself nor the verdict, and is tried again', async () => {
    await world.db('refusals').insert({ reason: 'test' })
    const { url, log } = await world.start()
    const txHash = randomHash()
    world.node.include(txHash)
    const { body } = await register(url, { txHash, kind: 'picky' })
    const isRefusedTwice = (each: Record<string, unknown>) =>
      Number(each['handler_attempts']) >= 2 && String(each['last_error']).includes('refused by the test')
    const row = await untilRow(world.db, txHash, 'refused twice', isRefusedTwice)
    expect(row).toMatchObject({
      status: 'pending',
      retry_count: 0,
      settled_at: null,
      receipt: null,
    })
    expect(await countOrders(world.db, txHash)).toBe(0)
    expect(await eventsOf(world.db, body.id)).toEqual([])
    expect(log.some((line) => line['reason'] === 'handler-failed' && line['id'] === body.id)).toBe(true)
    await world.db('refusals').delete()
    await untilStatus(world.db, txHash, 'confirmed')
    expect(await countOrders(world.db, txHash)).toBe(1)
    expect(await eventsOf(world.db, body.id)).toHaveLength(1)
  })

  it('a business write that throws too often parks the transaction until a recheck', async () => {
    await world.db('refusals').insert({ reason: 'test' })
    const { url } = await world.start('start', {
      HANDLER_RETRY_LIMIT: '2',
      SWEEP_GRACE_MS: '0',
      SWEEP_INTERVAL_MS: '50',
    })
    const txHash = randomHash()
    world.node.include(txHash)
    const { body } = await register(url, { txHash, kind: 'picky' })
    const row = await untilRow(world.db, txHash, 'parked', (each) => each['parked_at'] !== null)
    expect(row).toMatchObject({ status: 'pending', handler_attempts: 2 })
    await until('it is counted', async () =>
      (await (await fetch(`${url}/metrics`)).text()).includes('confirmd_parked_total{reason="handler"} 1'),
    )
    await world.db('refusals').delete()
    const looks = world.node.looks(txHash).length
    // Several sweeps pass over it: another transaction, registered later, settles in between.
    const other = randomHash()
    await register(url, { txHash: other, kind: 'order' })
    await untilRow(world.db, other, 'stalled', (each) => each['status'] === 'stalled')
    expect(world.node.looks(txHash)).toHaveLength(looks)
    await fetch(`${url}/v1/transactions/${body.id}/recheck`, { method: 'POST' })
    await untilStatus(world.db, txHash, 'confirmed')
    expect(await countOrders(world.db, txHash)).toBe(1)
  })

  it('a business write that never ends is given up and rolled back', async () => {
    const { url } = await world.start('start', { HANDLER_TIMEOUT_MS: '100' })
    const txHash = randomHash()
    world.node.include(txHash)
    await register(url, { txHash, kind: 'hanging' })
    await untilRow(world.db, txHash, 'given up', (each) =>
      String(each['last_error']).includes('did not finish within 100 ms'),
    )
    expect(await countOrders(world.db, txHash)).toBe(0)
  })

  it('a business write that ends its transaction by itself commits nothing', async () => {
    const { url } = await world.start()
    const txHash = randomHash()
    world.node.include(txHash)
    await register(url, { txHash, kind: 'premature' })
    await untilRow(world.db, txHash, 'tried', (each) => Number(each['handler_attempts']) >= 1)
    expect(await countOrders(world.db, txHash)).toBe(0)
  })

  it('many transactions and three workers: each verdict is right, each write is there once', async () => {
    const { url } = await world.start('api')
    for (let count = 0; count < 3; count++) await world.start('worker', { RETRY_LIMIT: '15' })
    const hashes = Array.from({ length: 90 }, randomHash)
    await Promise.all(hashes.map((txHash) => register(url, { txHash, kind: 'order' })))
    hashes.forEach((txHash, index) => {
      if (index % 3 === 0) world.node.include(txHash)
      if (index % 3 === 1) world.node.include(txHash, { succeeded: false })
    })
    await until('none is pending', async () => {
      const [row] = await world.db('confirmd.transaction_history').where({ status: 'pending' }).count()
      return row?.['count'] === '0'
    })
    const rows = await world.db('confirmd.transaction_history').select('tx_hash', 'status')
    const orders = await world.db('orders').select('tx_hash')
    const expected = ['confirmed', 'failed', 'stalled']
    expect(new Map(rows.map((row) => [row.tx_hash, row.status]))).toEqual(
      new Map(hashes.map((txHash, index) => [txHash, expected[index % 3]])),
    )
    expect(orders.map((order) => order.tx_hash).sort()).toEqual(
      hashes.filter((_, index) => index % 3 === 0).sort(),
    )
  })
})
