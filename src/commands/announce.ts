import { exchangeOf } from '../exchange-of-chain.ts'
import { announceAgain } from '../store/event-cursors.ts'
import { withParts } from './context.ts'
import { CommandError, EXIT } from './exit.ts'
import { print } from './output.ts'

/** Has the exchange told of events that are kept, again or, if it came later, for the first time. */
export async function announce({ after }: { readonly after: number }): Promise<void> {
  await withParts('announce', async ({ db, config, where }) => {
    const exchange = exchangeOf(config)
    if (!exchange)
      throw new CommandError(EXIT.config, 'announce needs AMQP_URL and AMQP_PREFIX: whom to tell')
    await announceAgain(db, exchange, after)
    print(
      `${where}: the exchange of prefix '${exchange.prefix}' is told of every event of '${exchange.chain}' after ${after} ` +
        'that is kept, by the next worker, in their order and with the ids that they have',
    )
  })
}
