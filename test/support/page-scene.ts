import { inject } from 'vitest'
import { type RoleProcess, startRole } from '../../src/dev/role-process.ts'
import type { Lifecycle } from '../../src/lifecycle.ts'
import { createWorld, register, untilRow, untilStatus, type World } from './confirmd.ts'
import { type Hook, startHook, status } from './hook.ts'
import { createOrderTables, ORDER_HANDLERS } from './orders.ts'
import { randomHash } from './scripted-node.ts'
import { until } from './until.ts'

/** Never reached by itself: what is to stall is brought to it. */
const RETRY_LIMIT = 100_000
const SENDER = `0x${'ab'.repeat(20)}`

export interface Told {
  readonly id: string
  readonly txHash: string
}

export const SCENE_STATES = [
  'pending',
  'parked',
  'stalled',
  'expired',
  'failed',
  'replaced',
  'confirmed',
] as const
export type SceneState = (typeof SCENE_STATES)[number]

/** A real confirmd with a transaction in each state, and a webhook that is failing. */
export interface PageScene {
  readonly world: World
  readonly program: RoleProcess
  readonly told: Readonly<Record<SceneState, Told>>
  readonly hook: Hook
  readonly webhookId: string
  tell(kind?: string, more?: object): Promise<Told>
  stall(told: Told): Promise<void>
  park(): Promise<Told>
}

export async function createPageScene(lifecycle: Lifecycle): Promise<PageScene> {
  const world = await createWorld(inject('amqpUrl') === null ? 'table' : 'rabbitmq', {
    HANDLERS: ORDER_HANDLERS,
    HANDLER_RETRY_LIMIT: '2',
    RETRY_LIMIT: String(RETRY_LIMIT),
    RETRY_DELAYS_MS: '200,1000',
    SWEEP_INTERVAL_MS: '200',
    SWEEP_GRACE_MS: '1000',
    WEBHOOK_RETRY_DELAYS_MS: '50',
    FOLLOW_BLOCKS: 'on',
  })
  lifecycle.add('world', world.close)
  await createOrderTables(world.db)
  const hook = await startHook()
  lifecycle.add('hook', hook.stop)
  hook.answer = status(500)
  const program = await startRole('start', world.environment)
  lifecycle.add('confirmd', async () => void (await program.stop()))
  await until('it is ready', async () => (await fetch(`${program.url}/readyz`)).ok)
  const webhookId = await createWebhook(program.url, hook.url)

  async function tell(kind = 'order', more: object = {}): Promise<Told> {
    const txHash = randomHash()
    const { body } = await register(program.url, { txHash, kind, ...more })
    return { id: body.id, txHash }
  }

  async function stall({ txHash }: Told): Promise<void> {
    await world
      .db('confirmd.transaction_history')
      .where({ tx_hash: txHash })
      .update({ retry_count: RETRY_LIMIT })
    await untilStatus(world.db, txHash, 'stalled')
  }

  async function park(): Promise<Told> {
    await world.db('refusals').insert({ reason: 'test' })
    const parked = await tell('picky')
    world.node.include(parked.txHash)
    await untilRow(world.db, parked.txHash, 'parked', (row) => row['parked_at'] !== null)
    await world.db('refusals').delete()
    return parked
  }

  async function settle(succeeded: boolean): Promise<Told> {
    const given = await tell('both', { payload: { orderId: '42', note: 'as registered' } })
    world.node.include(given.txHash, {
      ...(succeeded ? {} : { succeeded, txError: '0x9' }),
      receipt: { gasUsed: '0x5208', effectiveGasPrice: '0x5d21dba00' },
    })
    await untilStatus(world.db, given.txHash, succeeded ? 'confirmed' : 'failed')
    return given
  }

  const replaced = await tell('order')
  world.node.pend(replaced.txHash, SENDER, 7)
  await untilRow(world.db, replaced.txHash, 'seen in the pool', (row) => row['seen_nonce'] !== null)
  world.node.drop(replaced.txHash)
  world.node.setNonce(SENDER, 8)
  world.node.mine()
  const expired = await tell('swap')
  await stall(expired)
  const aWeekAgo = world.db.raw("now() - interval '7 days'")
  await world
    .db('confirmd.transaction_history')
    .where({ id: expired.id })
    .update({ stalled_at: aWeekAgo, absent_checks: 2, next_check_at: world.db.fn.now() })
  await untilStatus(world.db, expired.txHash, 'expired')
  const stalled = await tell('swap')
  await stall(stalled)
  const told = {
    pending: await tell('swap'),
    parked: await park(),
    stalled,
    expired,
    failed: await settle(false),
    replaced,
    confirmed: await settle(true),
  }
  await untilStatus(world.db, replaced.txHash, 'replaced')
  return { world, program, told, hook, webhookId, tell, stall, park }
}

async function createWebhook(url: string, target: string): Promise<string> {
  const response = await fetch(`${url}/v1/webhooks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ url: target, description: 'the shop' }),
  })
  return ((await response.json()) as { id: string }).id
}
