import { isAbsolute, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type BusinessHandler, checkHandler } from './handlers.ts'

/**
 * Loads the module that `HANDLERS` names; its default export is a list of handlers.
 * Throws an Error that names the module and what is wrong with it.
 */
export async function loadHandlers(specifier: string | null): Promise<Map<string, BusinessHandler>> {
  if (specifier === null) return new Map()
  const exported = await importDefault(specifier)
  if (!Array.isArray(exported)) {
    throw new Error(`HANDLERS: the default export of ${specifier} is not a list of handlers`)
  }
  const handlers = new Map<string, BusinessHandler>()
  for (const handler of exported as BusinessHandler[]) {
    try {
      checkHandler(handler)
    } catch (error) {
      throw new Error(`HANDLERS: ${specifier}: ${(error as Error).message}`, { cause: error })
    }
    if (handlers.has(handler.kind)) {
      throw new Error(`HANDLERS: ${specifier} has two handlers of kind '${handler.kind}'`)
    }
    handlers.set(handler.kind, handler)
  }
  return handlers
}

async function importDefault(specifier: string): Promise<unknown> {
  const isPath = specifier.startsWith('.') || isAbsolute(specifier)
  const target = isPath ? pathToFileURL(resolve(specifier)).href : specifier
  try {
    return ((await import(target)) as { default?: unknown }).default
  } catch (error) {
    throw new Error(`HANDLERS: ${specifier} can't be loaded: ${(error as Error).message}`, { cause: error })
  }
}
