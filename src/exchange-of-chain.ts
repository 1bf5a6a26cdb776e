import type { Config } from './config.ts'
import type { ExchangeOfChain } from './store/event-cursors.ts'

/** Whom the events of the chain are told; null where there is no broker. */
export function exchangeOf({
  amqpUrls,
  amqpPrefix: prefix,
  chain,
}: Pick<Config, 'amqpUrls' | 'amqpPrefix' | 'chain'>): ExchangeOfChain | null {
  return amqpUrls === null ? null : { prefix, chain }
}
