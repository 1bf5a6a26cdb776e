import { appendFileSync } from 'node:fs'

/** Appends each run of the handler to a file, which outlives its transaction and the process. */
export function logged(handler) {
  return {
    kind: handler.kind,
    confirmed: (context) => {
      appendFileSync(process.env['DRILL_RUN_LOG'], `${handler.kind} ${context.transaction.txHash}\n`)
      return handler.confirmed(context)
    },
  }
}
