import { type RoleProcess, startRole } from '../../../src/dev/role-process.ts'
import { withChannel } from '../../support/channel.ts'
import { startAmqpProxy } from '../amqp-proxy.ts'
import type { Condition, Drill } from '../drill.ts'
import { startFleet } from '../fleet.ts'
import { startParts } from '../parts.ts'
import { demand } from '../poll.ts'
import { NAMES } from '../queues.ts'
import { createRegistrar } from '../registrar.ts'
import { areReady } from '../scene.ts'
import { settleAndJudge } from '../settled.ts'

const LEVEL_FATAL = 60
const END_LIMIT_MS = 15_000
/** Two connections for each process, and one more try of either. */
const CONNECTIONS_AT_MOST = 4

/** Queues of our name with other properties: the process ends and says which, instead of trying for ever. */
export const foreignTopology: Drill = {
  number: 17,
  title: 'topology that differs is there already, or comes while a worker runs',
  run: async (context) => {
    const { n, ledger, lifecycle, say } = context
    const parts = await startParts(context)
    const brokerUrl = parts.rabbitmq.url
    const proxy = await startAmqpProxy(brokerUrl)
    lifecycle.add('proxy', proxy.close)
    const environment = { ...parts.environment, AMQP_URL: proxy.url }
    const conditions: Condition[] = []

    async function expectEnd(what: string, running: RoleProcess, name: string, openedBefore: number) {
      const code = await endOf(running)
      const message = running.log.find(({ level }) => level === LEVEL_FATAL)?.msg ?? 'no message'
      const connections = proxy.opened() - openedBefore
      say(`${what}: exit ${code} after ${connections} connections: ${message}`)
      conditions.push(
        { text: `${what}: ended with 1 within ${END_LIMIT_MS} ms (${code})`, passed: code === 1 },
        { text: `${what}: the message names ${name}`, passed: message.includes(name) },
        {
          text: `${what}: ${connections} connections, at most ${CONNECTIONS_AT_MOST}`,
          passed: connections <= CONNECTIONS_AT_MOST,
        },
      )
    }

    for (const name of [NAMES.checkQueue, NAMES.waitQueue(parts.delaysMs[0] ?? 0), NAMES.parkedQueue]) {
      await withChannel(brokerUrl, (channel) => channel.assertQueue(name, { durable: true }))
      for (const role of ['worker', 'api'] as const) {
        const openedBefore = proxy.opened()
        await expectEnd(`${role}, ${name}`, await startRole(role, environment), name, openedBefore)
      }
      await withChannel(brokerUrl, (channel) => channel.deleteQueue(name))
    }
    await withChannel(brokerUrl, async (channel) => {
      await channel.deleteExchange(NAMES.waitingExchange)
      await channel.assertExchange(NAMES.waitingExchange, 'fanout', { durable: true })
    })
    const beforeExchange = proxy.opened()
    const refused = await startRole('worker', environment)
    await expectEnd('worker, exchange', refused, NAMES.waitingExchange, beforeExchange)
    await withChannel(brokerUrl, (channel) => channel.deleteExchange(NAMES.waitingExchange))

    // Changed under a worker that runs: it loses its consumer, and finds out when it declares again.
    const running = await startRole('worker', environment)
    await demand('it consumes', async () => (await fetch(`${running.url}/readyz`)).ok)
    const beforeChange = proxy.opened()
    await withChannel(brokerUrl, async (channel) => {
      await channel.deleteQueue(NAMES.checkQueue)
      await channel.assertQueue(NAMES.checkQueue, { durable: true, arguments: { 'x-max-length': 10 } })
    }).catch(() => undefined)
    await expectEnd('worker, changed while it ran', running, NAMES.checkQueue, beforeChange)
    await withChannel(brokerUrl, (channel) => channel.deleteQueue(NAMES.checkQueue))

    const apis = await startFleet(context, 'api', environment, { size: 1 })
    const workers = await startFleet(context, 'worker', environment, { size: 2 })
    const registrar = createRegistrar(parts.chain, apis.url)
    lifecycle.add('registrar', registrar.close)
    await demand('the workers consume', () => areReady(workers))
    await registrar.register(ledger.make(Math.min(n, 1_000)))
    return settleAndJudge(context, parts, { conditions })
  },
}

async function endOf(running: RoleProcess): Promise<number | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), END_LIMIT_MS)
  })
  const code = await Promise.race([running.ended, late])
  clearTimeout(timer)
  if (code === null) await running.kill()
  return code
}
