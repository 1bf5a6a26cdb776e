import type { Config } from './config.ts'
import type { ExchangeOfChain } from './store/event-cursors.ts'

/** Whom the events of the chain are told; null where there is no broker. */
export function exchangeOf({
  amqpUrl,
  amqpPrefix: prefix,
  chain,
}: Pick<Config, 'amqpUrl' | 'amqpPrefix' | 'chain'>): ExchangeOfChain | null {
  return amqpUrl === null ? null : { prefix, chain }
}
