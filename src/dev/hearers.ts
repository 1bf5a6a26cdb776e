import { createServer, get } from 'node:http'
import { text } from 'node:stream/consumers'
import { connect } from 'amqplib'
import { type TransactionEvent, verifyWebhook } from '../client.ts'
import type { Lifecycle } from '../lifecycle.ts'
import { closeAtOnce, listenOnLoopback } from './ports.ts'

/** Told of each event that arrives; the same one may arrive more than once. */
export type Hear = (event: TransactionEvent) => void

/** Listens to the events exchange, as another service would. */
export async function hearOnExchange(
  lifecycle: Lifecycle,
  { amqpUrl, prefix = 'TX' }: { amqpUrl: string; prefix?: string },
  hear: Hear,
): Promise<void> {
  const connection = await connect(amqpUrl)
  lifecycle.add('listener', () => connection.close())
  const channel = await connection.createChannel()
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, `${prefix}.E.EVENTS`, '#')
  await channel.consume(
    queue,
    (message) => message && hear(JSON.parse(message.content.toString()) as TransactionEvent),
    { noAck: true },
  )
}

/** Registers a webhook and receives what it is sent; what is not signed is refused. */
export async function hearAtWebhook(
  lifecycle: Lifecycle,
  { apiUrl }: { apiUrl: string },
  hear: Hear,
): Promise<void> {
  let secret = ''
  const server = createServer((request, response) => {
    text(request)
      .then((body) => verifyWebhook({ headers: request.headers, body, secret }))
      .then(
        (event) => {
          response.end()
          hear(event)
        },
        () => response.writeHead(400).end(),
      )
  })
  const port = await listenOnLoopback(server)
  lifecycle.add('receiver', () => closeAtOnce(server))
  const answer = await fetch(`${apiUrl}/v1/webhooks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ url: `http://127.0.0.1:${port}/` }),
  })
  if (answer.status !== 201) throw new Error(`no webhook: ${await answer.text()}`)
  secret = ((await answer.json()) as { secret: string }).secret
}

/** Reads the feed as server-sent events, from its beginning. */
export async function hearInStream(
  lifecycle: Lifecycle,
  { apiUrl }: { apiUrl: string },
  hear: Hear,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const request = get(`${apiUrl}/v1/events/stream?after=0`, (response) => {
      let rest = ''
      response.setEncoding('utf8')
      response.on('error', () => undefined)
      response.on('data', (chunk: string) => {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          if (line.startsWith('data: ')) hear(JSON.parse(line.slice('data: '.length)) as TransactionEvent)
        }
      })
      resolve()
    })
    request.on('error', reject)
    lifecycle.add('reader', () => void request.destroy())
  })
}
