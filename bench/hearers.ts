import { createServer, get } from 'node:http'
import { text } from 'node:stream/consumers'
import { connect } from 'amqplib'
import { closeAtOnce, listenOnLoopback } from '../src/dev/ports.ts'
import type { CloudEvent } from '../src/domain/event.ts'
import type { TransactionView } from '../src/domain/transaction-view.ts'
import type { Lifecycle } from '../src/lifecycle.ts'
import type { Confirmd } from './confirmd.ts'

/** What somebody who waits for outcomes has heard. */
export interface Hearer {
  /** From the verdict to here, in ms, of each event; an event that came twice counts once. */
  readonly delaysMs: ReadonlyMap<string, number>
}

/** How an outcome reaches whoever waits for it. */
export type Way = (
  lifecycle: Lifecycle,
  given: { confirmd: Confirmd; amqpUrl: string; prefix: string },
) => Promise<Hearer>

function createHearer(): Hearer & { hear(event: string): void } {
  const delaysMs = new Map<string, number>()
  return {
    delaysMs,
    hear: (json) => {
      const { id, data } = JSON.parse(json) as CloudEvent<TransactionView>
      if (!delaysMs.has(id)) delaysMs.set(id, Date.now() - Date.parse(String(data.settledAt)))
    },
  }
}

export const onExchange: Way = async (lifecycle, { amqpUrl, prefix }) => {
  const hearer = createHearer()
  const connection = await connect(amqpUrl)
  lifecycle.add('listener', () => connection.close())
  const channel = await connection.createChannel()
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, `${prefix}.E.EVENTS`, '#')
  await channel.consume(queue, (message) => message && hearer.hear(message.content.toString()), {
    noAck: true,
  })
  return hearer
}

export const atWebhook: Way = async (lifecycle, { confirmd }) => {
  const hearer = createHearer()
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      response.end()
      hearer.hear(body)
    })
  })
  const port = await listenOnLoopback(server)
  lifecycle.add('receiver', () => closeAtOnce(server))
  const answer = await fetch(`${confirmd.apiUrl}/v1/webhooks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ url: `http://127.0.0.1:${port}/` }),
  })
  if (answer.status !== 201) throw new Error(`no webhook: ${await answer.text()}`)
  return hearer
}

export const inStream: Way = async (lifecycle, { confirmd }) => {
  const hearer = createHearer()
  await new Promise<void>((resolve, reject) => {
    const request = get(`${confirmd.apiUrl}/v1/events/stream?after=0`, (response) => {
      let rest = ''
      response.setEncoding('utf8')
      response.on('error', () => undefined)
      response.on('data', (chunk: string) => {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) if (line.startsWith('data: ')) hearer.hear(line.slice('data: '.length))
      })
      resolve()
    })
    request.on('error', reject)
    lifecycle.add('reader', () => void request.destroy())
  })
  return hearer
}
