import type { Channel, ConsumeMessage } from 'amqplib'

/** The answers to what one channel delivered. Each message is answered once. */
export interface Acks {
  /** To be told of every delivery, in its order. */
  delivered(message: ConsumeMessage): void
  /** Sent at the end of this turn of the event loop. */
  ack(message: ConsumeMessage): void
  /** Back to the queue, at once. */
  requeue(message: ConsumeMessage): void
  /** Sends what is ready. */
  flush(): void
}

/**
 * Acks what is ready by ranges: a range costs the broker as much as a single one. "All up to here" is said only
 * where everything up to there is ready; what is ready beyond the first that is not is acked one by one.
 */
export function createAcks(channel: Channel, onError: (error: unknown) => void): Acks {
  /** By delivery tag, in the order of delivery; true: ready. */
  const unanswered = new Map<number, { message: ConsumeMessage; ready: boolean }>()
  let scheduled = false

  function send(answer: () => void): void {
    try {
      answer()
    } catch (error) {
      onError(error)
    }
  }

  function flush(): void {
    let upTo: ConsumeMessage | null = null
    let gap = false
    for (const [tag, { message, ready }] of unanswered) {
      if (!ready) {
        gap = true
        continue
      }
      unanswered.delete(tag)
      if (gap) send(() => channel.ack(message))
      else upTo = message
    }
    const last = upTo
    if (last) send(() => channel.ack(last, true))
  }

  return {
    delivered: (message) => void unanswered.set(message.fields.deliveryTag, { message, ready: false }),
    ack: (message) => {
      const entry = unanswered.get(message.fields.deliveryTag)
      if (entry) entry.ready = true
      if (scheduled) return
      scheduled = true
      setImmediate(() => {
        scheduled = false
        flush()
      })
    },
    requeue: (message) => {
      unanswered.delete(message.fields.deliveryTag)
      send(() => channel.nack(message, false, true))
    },
    flush,
  }
}
