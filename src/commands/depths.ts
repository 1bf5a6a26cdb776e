import { readDepths } from '../broker/inspect.ts'
import { type BrokerSession, openSession } from '../broker/session.ts'
import { topologyOf } from '../broker/topology.ts'
import { messageOf, type Parts } from './context.ts'

/** How full the queues are, asked again and again. */
export interface Depths {
  read(): Promise<Record<string, number>>
  /** Why it could not be read; null if it could. */
  problem(): string | null
  close(): Promise<void>
}

/** Of the broker's queues, connecting anew when the connection was lost; without a broker of the table. */
export function createDepths({ config, store }: Pick<Parts, 'config' | 'store'>): Depths {
  const { amqpUrls, amqpPrefix, retryDelaysMs } = config
  const topology = topologyOf(amqpPrefix, retryDelaysMs)
  let session: BrokerSession | null = null
  let problem: string | null = null

  async function close(): Promise<void> {
    await session?.close()
    session = null
  }

  return {
    read: async () => {
      if (amqpUrls === null) {
        const { pending, overdue } = await store.countOpen()
        return { due: overdue, waiting: pending - overdue }
      }
      try {
        session ??= await openSession(amqpUrls, amqpPrefix, 'status')
        const depths = await readDepths(session.model, topology)
        problem = null
        return depths
      } catch (error) {
        problem = `the broker is not reached: ${messageOf(error)}`
        await close()
        throw error
      }
    },
    problem: () => problem,
    close,
  }
}
