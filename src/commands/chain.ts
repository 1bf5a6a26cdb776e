import { forgetChain, listChains } from '../store/chains.ts'
import { withParts } from './context.ts'
import { CommandError, EXIT } from './exit.ts'
import { columns, counted, print, printJson } from './output.ts'

/** Shows what each chain's name means in the database. */
export async function showChains(options: { readonly json?: boolean }): Promise<void> {
  await withParts('chain list', async ({ db }) => {
    const chains = await listChains(db)
    if (options.json) printJson({ chains })
    else if (chains.length === 0) print('no chain is bound yet: a node has to answer a worker first')
    else {
      print(
        columns(
          chains.map(({ name, chainId, anchor }) => [
            name,
            `chain id ${chainId}`,
            `block ${anchor.number} is ${anchor.hash}`,
          ]),
        ),
      )
    }
  })
}

/** Unbinds a name whose chain was begun anew; the next node that answers a worker binds it again. */
export async function forget(name: string): Promise<void> {
  await withParts('chain forget', async ({ db, where }) => {
    const forgotten = await forgetChain(db, name)
    switch (forgotten.kind) {
      case 'forgotten':
        print(
          `${where}: the chain '${name}' is forgotten; the next worker that a node answers binds it again`,
        )
        return
      case 'unknown':
        throw new CommandError(
          EXIT.failed,
          `${where}: no chain '${name}' is bound; see 'confirmd chain list'`,
        )
      case 'unsettled':
        throw new CommandError(
          EXIT.failed,
          `${where}: ${counted(forgotten.count, 'transaction')} of '${name}' still wait for a verdict of the chain that ` +
            'it means now, and another chain must not give it: nothing is forgotten',
        )
    }
  })
}
