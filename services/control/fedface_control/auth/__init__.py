"""Who asks the API, and what they may ask. Read the files in this order:

`principal.py`      who has signed in, with which roles
`roles.py`          `requires(Role.OPERATOR)`: what an operation asks of who calls it
`api_keys.py`       keys that the API makes for people and scripts: how a key is made, and how one is checked
`issuer.py`         what is fetched of the OIDC issuer: its metadata and its public keys, and how often
`access_tokens.py`  access tokens of that issuer
`sign_in.py`        all ways to sign in, and the middleware that asks for one of them before anything else
`limits.py`         how many requests one actor may send, and how many failed sign-ins come from one address
`browsers.py`       what keeps pages of others away: the check of `Host`, of the page's origin, of the body's type
`headers.py`        the headers that tell browsers what they may do with an answer
`errors.py`         the errors of all of these
"""
