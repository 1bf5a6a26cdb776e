import { type Channel, connect } from 'amqplib'

const CONNECT_TIMEOUT_MS = 5_000

/** Runs work on a channel of its own. */
export async function withChannel<T>(url: string, work: (channel: Channel) => Promise<T>): Promise<T> {
  const connection = await connect(url, { timeout: CONNECT_TIMEOUT_MS })
  connection.on('error', () => undefined)
  try {
    const channel = await connection.createChannel()
    channel.on('error', () => undefined)
    return await work(channel)
  } finally {
    await connection.close().catch(() => undefined)
  }
}
