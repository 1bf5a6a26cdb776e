import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { closeAtOnce, listenOnLoopback } from '../../src/dev/ports.ts'
import { describeWithBroker } from '../support/broker.ts'
import { createWorld, type World } from '../support/confirmd.ts'
import { type Listener, listen } from '../support/events.ts'
import { randomHash } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const TRACE_PARENT = `00-${TRACE_ID}-b7ad6b7169203331-01`

describeWithBroker('tracing', () => {
  let world: World
  let listener: Listener

  beforeEach(async () => {
    world = await createWorld('rabbitmq')
    listener = await listen(world.prefix)
  })
  afterEach(async () => {
    await listener.stop()
    await world.close()
  })

  async function registerWith(url: string, traceparent: string): Promise<void> {
    const txHash = randomHash()
    world.node.include(txHash)
    const answer = await fetch(`${url}/v1/transactions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent },
      body: JSON.stringify({ txHash }),
    })
    expect(answer.status).toBe(202)
  }

  it('without an exporter the context is passed on as it came; one that is none is dropped', async () => {
    const { url } = await world.start()
    await registerWith(url, TRACE_PARENT)
    await until('it is announced', () => listener.heard.length === 1)
    await registerWith(url, 'not-a-context')
    await until('both are announced', () => listener.heard.length === 2)
    expect(listener.heard.map(({ event }) => event.traceparent)).toEqual([TRACE_PARENT, undefined])
  })

  it('with one, what becomes of a registration is a part of its trace, from the request to the event', async () => {
    const bodies: Buffer[] = []
    const collector = createServer((request, response) => {
      void buffer(request).then((body) => {
        bodies.push(body)
        response.end()
      })
    })
    const port = await listenOnLoopback(collector)
    try {
      const { url, stop } = await world.start('start', {
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      })
      await registerWith(url, TRACE_PARENT)
      await until('it is announced', () => listener.heard.length === 1)
      await stop()
      const sent = Buffer.concat(bodies)
      expect(sent.includes(Buffer.from(TRACE_ID, 'hex'))).toBe(true)
      for (const name of ['register', 'check', 'announce']) expect(sent.includes(name), name).toBe(true)
      const [version, traceId, spanId] = listener.heard[0]?.event.traceparent?.split('-') ?? []
      expect([version, traceId]).toEqual(['00', TRACE_ID])
      expect(spanId).not.toBe(TRACE_PARENT.split('-')[2])
    } finally {
      await closeAtOnce(collector)
    }
  })
})
