"""Stand-ins for the docker, postgresql and random resource plugins and for the Python language host.

They implement the resource types that this project uses, with the official names, defaults, secrets and
replace-or-update rules, for hosts where the official plugins cannot be downloaded. What they do not know they
refuse.
"""
