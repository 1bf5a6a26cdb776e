import { withChannel } from '../../support/channel.ts'
import { type AmqpProxy, startAmqpProxy } from '../amqp-proxy.ts'
import type { Condition, Drill } from '../drill.ts'
import { startFleet } from '../fleet.ts'
import { startParts } from '../parts.ts'
import { demand, pollUntil } from '../poll.ts'
import { NAMES } from '../queues.ts'
import { createRegistrar } from '../registrar.ts'
import { areReady } from '../scene.ts'
import { settleAndJudge } from '../settled.ts'

const LIMIT_MS = 10_000
const ROUNDS = 10

/** Each way to lose a consumer, alone, under load: it consumes again within 10 s. */
export const connectionsBreak: Drill = {
  number: 12,
  title: 'channel closed by the server, consumer cancelled, half-open TCP',
  run: async (context) => {
    const { n, ledger, lifecycle, scaled, say } = context
    const parts = await startParts(context)
    const proxy = await startAmqpProxy(parts.rabbitmq.url)
    lifecycle.add('proxy', proxy.close)
    const apis = await startFleet(context, 'api', parts.environment, { size: 1 })
    const throughProxy = { ...parts.environment, AMQP_URL: proxy.url }
    const workers = await startFleet(context, 'worker', throughProxy, { size: 1 })
    const registrar = createRegistrar(parts.chain, apis.url)
    lifecycle.add('registrar', registrar.close)
    await demand('the worker consumes', () => areReady(workers))
    const rounds = scaled(ROUNDS, 1)
    const breaks = breaksOf(proxy, parts.rabbitmq.url)
    const loadSeconds = rounds * breaks.length * 8
    const registering = registrar.register(ledger.make(n), { perSecond: Math.max(10, n / loadSeconds) })

    const conditions: Condition[] = []
    for (const { name, cause } of breaks) {
      let slowestMs = 0
      for (let round = 0; round < rounds; round++) {
        const lost = await cause()
        const brokenAt = Date.now()
        const consuming = () => lost() && areConsuming(proxy) && areReady(workers)
        const isBack = await pollUntil(consuming, { timeoutMs: 6 * LIMIT_MS, intervalMs: 50 })
        slowestMs = Math.max(slowestMs, isBack ? Date.now() - brokenAt : Number.POSITIVE_INFINITY)
      }
      say(`${name}, ${rounds}×: consuming again after at most ${slowestMs} ms`)
      conditions.push({
        text: `${name}: consuming again within 10 s (${slowestMs} ms)`,
        passed: slowestMs <= LIMIT_MS,
      })
    }
    await registering
    return settleAndJudge(context, parts, { conditions })
  },
}

function areConsuming(proxy: AmqpProxy): boolean {
  return proxy.connections('consume').length > 0
}

/** Each cause resolves with a question: is the old connection gone? */
function breaksOf(proxy: AmqpProxy, brokerUrl: string) {
  function consuming() {
    const connection = proxy.connections('consume').at(-1)
    if (!connection) throw new Error('nothing consumes through the proxy')
    return connection
  }
  return [
    {
      name: 'channel closed by the server',
      cause: async () => {
        const connection = consuming()
        if (!connection.closeConsumingChannel()) throw new Error('there is no consuming channel to close')
        return () => !connection.isOpen()
      },
    },
    {
      name: 'consumer cancelled',
      cause: async () => {
        const connection = consuming()
        await withChannel(brokerUrl, (channel) => channel.deleteQueue(NAMES.checkQueue))
        return () => !connection.isOpen()
      },
    },
    {
      name: 'half-open TCP',
      cause: async () => {
        const connection = consuming()
        connection.delayToBroker(Number.POSITIVE_INFINITY)
        connection.delayToProcess(Number.POSITIVE_INFINITY)
        return () => !connection.isOpen()
      },
    },
  ]
}
