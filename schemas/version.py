"""The version of Zoetrope: here, so that it is known from a bare checkout as well as from an installed
package.
"""

VERSION = "0.1.0"
