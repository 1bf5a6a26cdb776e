import type { ChainName } from './processes.ts'

/** A message at the model's broker. */
export interface BrokerMessage {
  readonly body: string
  /** Of which chain its transaction is. */
  readonly chain: ChainName
  /** Whose it is, for losing and counting it. */
  readonly subject: string
  readonly dueAtMs: number
  /** How often it was handed out without an answer. */
  deliveryCount: number
  /** A worker has it in hand. */
  taken: boolean
}

/** What of RabbitMQ the flows can notice: it keeps, delays, hands out once, and hands out again. */
export interface ModelBroker {
  /** False: nothing is taken, every publish fails. */
  isUp: boolean
  put(message: Pick<BrokerMessage, 'body' | 'chain' | 'subject'>, delayMs: number): void
  /** Messages that may be handed out now. */
  ready(): BrokerMessage[]
  /** All messages, also those that wait or are in hand. */
  all(): readonly BrokerMessage[]
  take(message: BrokerMessage): void
  ack(message: BrokerMessage): void
  /** The worker is gone or could not do it: the message comes again, marked. */
  requeue(message: BrokerMessage): void
}

export function createModelBroker(nowMs: () => number): ModelBroker {
  let messages: BrokerMessage[] = []
  return {
    isUp: true,
    put: ({ body, chain, subject }, delayMs) => {
      messages.push({ body, chain, subject, dueAtMs: nowMs() + delayMs, deliveryCount: 0, taken: false })
    },
    ready: () => messages.filter((message) => !message.taken && message.dueAtMs <= nowMs()),
    all: () => messages,
    take: (message) => {
      message.taken = true
    },
    ack: (message) => {
      messages = messages.filter((each) => each !== message)
    },
    requeue: (message) => {
      message.taken = false
      message.deliveryCount += 1
    },
  }
}
