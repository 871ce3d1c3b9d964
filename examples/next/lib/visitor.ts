// The demo visitor, in place of your sign-in. All that the chat needs of it is an id that stays.
import "server-only";
import { cookies } from "next/headers";
import { signIdentity, verifyIdentity } from "@/lib/identity";

const COOKIE = "visitor";
const LIFE_SECONDS = 180 * 24 * 60 * 60;

/** The visitor of this request; null for one who is new. */
export async function findVisitor(): Promise<string | null> {
  const cookie = (await cookies()).get(COOKIE);
  return cookie ? verifyIdentity(cookie.value, "VISITOR_SECRET") : null;
}

/** Makes somebody of one who is new. Only where Next can set a cookie: in route handlers and server functions. */
export async function welcomeVisitor(): Promise<string> {
  const id = crypto.randomUUID();
  const value = await signIdentity(id, "VISITOR_SECRET", LIFE_SECONDS);
  const isDeployed = process.env.NODE_ENV === "production";
  (await cookies()).set(COOKIE, value, { httpOnly: true, sameSite: "lax", secure: isDeployed, path: "/", maxAge: LIFE_SECONDS });
  return id;
}
