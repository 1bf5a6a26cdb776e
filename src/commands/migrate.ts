import { migrate } from '../store/migrations.ts'
import { commandConfig, withOpenDatabase } from './context.ts'
import { CommandError, EXIT } from './exit.ts'
import { print } from './output.ts'

/** Brings the schema up to date. */
export async function runMigrate(): Promise<void> {
  const config = commandConfig()
  if (config.databaseUrl === null) {
    throw new CommandError(EXIT.config, "migrate needs DATABASE_URL; 'confirmd start' migrates by itself")
  }
  await withOpenDatabase('migrate', config, config.databaseUrl, async ({ db, where }) => {
    const ran = await migrate(db)
    print(ran.length > 0 ? `${where}: ran ${ran.join(', ')}` : `${where}: the schema is up to date`)
  })
}
