import { type Hook, startHook, status } from '../../support/hook.ts'
import {
  type CountingListener,
  startCountingListener,
  startCountingListeners,
} from '../counting-listeners.ts'
import type { Condition, Drill, DrillContext, Finding } from '../drill.ts'
import { isGivenUp, judgeConnections, judgeDeliveries } from '../judge-webhooks.ts'
import { type Parts, startParts } from '../parts.ts'
import { settleAndJudge } from '../settled.ts'
import { stageElsewhere, stageThisMachine, together } from '../staged-targets.ts'
import { describeRecord } from '../webhook-records.ts'
import {
  insertForbidden,
  listed,
  offerTargets,
  openWebhookStage,
  type WebhookStage,
} from '../webhook-stage.ts'

const EVENTS = 300
const RETRY_DELAYS_MS = [50, 50]
const FULL_ATTEMPTS = RETRY_DELAYS_MS.length + 1
const TIMEOUT_MS = 5_000
/** At full size it would be more if the good target had to wait for requests that hang, even for 20 at a time. */
const LATENESS_LIMIT_MS = 30_000
const ELSEWHERE_LOCATIONS = [
  [301, 'https://10.0.0.1/'],
  [302, 'http://10.0.0.1/'],
  [303, 'http://169.254.169.254/latest/meta-data/'],
  [307, 'https://[::ffff:169.254.169.254]/'],
  [308, 'https://private.drill.test/'],
] as const
const STATUSES_TO_A_LISTENER = [301, 302, 303, 307, 308]

/** Targets inside the network, in every disguise: no connection to them is so much as tried. */
export const forbiddenTargets: Drill = {
  number: 16,
  title: 'webhook targets that must not be reached: metadata, private, mapped IPv6, rebinding, redirects',
  run: async (context) => {
    const settings = {
      WEBHOOK_RETRY_DELAYS_MS: RETRY_DELAYS_MS.join(','),
      WEBHOOK_TIMEOUT_MS: String(TIMEOUT_MS),
    }
    const parts = await startParts(context, { settings })
    const inProduction = await drillProduction(context, parts)
    await parts.db('confirmd.webhooks').delete()
    const { settled, conditions: inDevelopment } = await drillDevelopment(context, parts)
    const { crashes } = context.tally
    const conditions = [
      ...settled.conditions,
      ...inProduction.map(({ text, passed }) => ({ text: `production: ${text}`, passed })),
      ...inDevelopment.map(({ text, passed }) => ({ text: `development: ${text}`, passed })),
      { text: `no process ended by itself (${crashes})`, passed: crashes === 0 },
    ]
    return { judgement: settled.judgement, conditions }
  },
}

/** Only public addresses are allowed, and somebody listens at every address of this machine. */
async function drillProduction(context: DrillContext, parts: Parts): Promise<Condition[]> {
  const listeners = await startCountingListeners(context.lifecycle)
  const staged = together(stageElsewhere(), stageThisMachine(listeners))
  const stage = await openWebhookStage(context, parts, {
    ...staged,
    mode: 'production',
    fullAttempts: FULL_ATTEMPTS,
  })
  const offered = await offerTargets(stage)
  await insertForbidden(stage)
  await stage.settle(context.scaled(EVENTS, 20))
  await stage.untilSent()
  await stage.close()
  return [
    ...offered,
    ...(await judgeDeliveries(stage)),
    ...(await judgeConnections(stage, [])),
    ...listeners.map(judgeListener),
  ]
}

function judgeListener({ address, connections }: CountingListener): Condition {
  return { text: `connections to ${address}: ${connections()}`, passed: connections() === 0 }
}

/** This machine is allowed too, so that there are targets that answer. */
async function drillDevelopment(
  context: DrillContext,
  parts: Parts,
): Promise<{ settled: Finding; conditions: Condition[] }> {
  const stage = await openWebhookStage(context, parts, {
    ...stageElsewhere(),
    mode: 'development',
    fullAttempts: FULL_ATTEMPTS,
  })
  const [good, hanging] = [await hook(context), await hook(context)]
  hanging.answer = () => undefined
  const elsewhere = await startCountingListener(context.lifecycle, '127.0.0.1')
  const redirecting = await startRedirecting(context, elsewhere)
  const answering = [good, hanging, ...redirecting].map(({ url }) => url)
  for (const url of answering) {
    const { status: code } = await stage.ask(url)
    if (code !== 201) throw new Error(`the API answered ${code} to ${url}`)
  }
  const offered = await offerTargets(stage)
  await insertForbidden(stage)
  await stage.settle(context.scaled(EVENTS, 20))
  await stage.untilSent([hanging.url])
  const conditions = [
    ...offered,
    ...(await judgeGood(context, stage, good, hanging)),
    ...(await judgeRedirects(stage, redirecting, elsewhere)),
  ]
  // The queues empty only while there is a worker.
  const settled = await settleAndJudge(context, parts)
  await stage.close()
  conditions.push(...(await judgeDeliveries(stage)), ...(await judgeConnections(stage, answering)))
  return { settled, conditions }
}

async function hook({ lifecycle }: DrillContext): Promise<Hook> {
  const started = await startHook()
  lifecycle.add('webhook receiver', started.stop)
  return started
}

async function startRedirecting(context: DrillContext, elsewhere: CountingListener): Promise<Hook[]> {
  const listening = `http://127.0.0.1:${elsewhere.port}/`
  const toListener = STATUSES_TO_A_LISTENER.map((code) => [code, listening] as const)
  const redirecting: Hook[] = []
  for (const [code, location] of [...ELSEWHERE_LOCATIONS, ...toListener]) {
    const started = await hook(context)
    started.answer = status(code, { location })
    redirecting.push(started)
  }
  return redirecting
}

async function judgeRedirects(
  stage: WebhookStage,
  redirecting: readonly Hook[],
  elsewhere: CountingListener,
): Promise<Condition[]> {
  const records = await stage.records()
  const found = redirecting.flatMap(({ url }) => records.get(url) ?? [])
  const wrong = found.filter((record) => !isGivenUp(record) || record.redirected !== record.attempts)
  const requests = redirecting.reduce((sum, each) => sum + each.requests.length, 0)
  return [
    {
      text: `${redirecting.length} redirecting targets, ${requests} redirects, none followed; not so: ${wrong.length}${listed(wrong.map(describeRecord))}`,
      passed: wrong.length === 0 && found.length === redirecting.length && requests > 0,
    },
    {
      text: `connections to the listener where half of them lead: ${elsewhere.connections()}`,
      passed: elsewhere.connections() === 0,
    },
  ]
}

/** Every event came to the good target, soon after its outcome, while others were refused or hung. */
async function judgeGood(
  { say }: DrillContext,
  { parts, after, records }: WebhookStage,
  good: Hook,
  hanging: Hook,
): Promise<Condition[]> {
  const found = await records()
  const wanted = found.get(good.url)?.wanted ?? 0
  const waiting = wanted - (found.get(hanging.url)?.failed ?? 0)
  const outcomes: { id: string; created_at: Date }[] = await parts
    .db('confirmd.outbox')
    .where('position', '>', after)
    .select('id', 'created_at')
  const cameAtMs = new Map(good.requests.map(({ event, atMs }) => [event.id, atMs]))
  const lateMs = outcomes
    .map(({ id, created_at }) => (cameAtMs.get(id) ?? Number.POSITIVE_INFINITY) - created_at.getTime())
    .sort((a, b) => a - b)
  const slowestMs = lateMs.at(-1) ?? Number.POSITIVE_INFINITY
  const medianMs = lateMs[Math.floor(lateMs.length / 2)]
  say(`the good target: ${cameAtMs.size} events, ${medianMs} ms after the outcome in the median`)
  return [
    {
      text: `the good target has ${cameAtMs.size} of ${wanted} events`,
      passed: wanted > 0 && cameAtMs.size === wanted,
    },
    {
      text: `the slowest after ${slowestMs} of ${LATENESS_LIMIT_MS} ms, while ${waiting} deliveries of another hang`,
      passed: slowestMs <= LATENESS_LIMIT_MS && waiting > 0,
    },
  ]
}
