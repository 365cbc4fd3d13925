@manual-3.5.2.1
Feature: Establishing the WSS link to Rainbow
  The LAN on the customer's side must let the OXO Connect open a secure WebSocket to Rainbow.
  Between them stand a firewall and perhaps a web proxy, neither of which the installer controls.

  Background:
    Given an OXO Connect that Rainbow knows

  Rule: The firewall must authorize outgoing WSS to port 443

    Scenario Outline: A firewall that lets WSS out (<policy>)
      Given the firewall is <policy>
      When Rainbow is enabled in OMC
      Then the WSS link is up
      And Rainbow shows the PBX as Running

      Examples:
        | policy     |
        | permissive |
        | https-only |

    Scenario: The link goes to port 443 of the agent's name in the Rainbow domain
      When Rainbow is enabled in OMC
      Then the WSS link is up
      And the PBX asked its DNS server for "agent.openrainbow.com"
      And every attempt of the PBX goes to port 443
      And the PBX asks for the server name "agent.openrainbow.com" in TLS

    Scenario Outline: A firewall that does not let WSS out (<policy>)
      Given the firewall is <policy>
      When Rainbow is enabled in OMC
      And 5 minutes pass
      Then the WSS link is down
      And nothing of the PBX reaches Rainbow

      Examples:
        | policy     |
        | blocking   |
        | rejecting  |
        | proxy-only |
        | deny-all   |

    Scenario Outline: A firewall that is opened later (<before>, then <after>)
      Given the firewall is <before>
      And Rainbow was enabled in OMC
      And 3 minutes have passed
      When the firewall becomes <after>
      Then the WSS link comes up at the next attempt

      Examples:
        | before    | after      |
        | blocking  | permissive |
        | rejecting | permissive |
        | deny-all  | https-only |

    Scenario: Attempts against a firewall that drops are seen to be unanswered
      Given the firewall is blocking
      When Rainbow is enabled in OMC
      And 5 minutes pass
      Then every attempt of the PBX is left unanswered

    Scenario: Attempts against a firewall that rejects are seen to be reset
      Given the firewall is rejecting
      When Rainbow is enabled in OMC
      And 5 minutes pass
      Then every attempt of the PBX is reset

    Scenario: A policy that spares established connections keeps the link
      Given the WSS link was brought up
      When the firewall becomes blocking
      And 10 minutes pass
      Then the WSS link is still the same

    Scenario: A firewall that forgets its connections cuts the link
      Given the WSS link was brought up
      When the firewall becomes blocking and cuts established connections
      Then the PBX gives the link up within the ping timeout
      And the WSS link is down

    Scenario: A policy of the customer's own
      Given the firewall follows the customer's own rules:
        """
        tcp dport 443 ip daddr $pcg accept
        udp dport 53 accept
        """
      When Rainbow is enabled in OMC
      Then the WSS link is up

  Rule: The proxy must redirect WSS to the Internet and must be configured in OMC

    Scenario: Only the proxy may go out
      Given the firewall is proxy-only
      And the web proxy is configured in OMC
      When Rainbow is enabled in OMC
      Then the WSS link is up
      And the link runs through the web proxy
      And the PBX asked the web proxy for port 443 of "agent.openrainbow.com"

    Scenario: The proxy that is set in OMC is what is used, though the firewall would let WSS out
      Given the web proxy is configured in OMC
      When Rainbow is enabled in OMC
      Then the WSS link is up
      And the link runs through the web proxy
      And the PBX sends nothing to the Internet itself

    Scenario: The proxy is used at every attempt
      Given the web proxy is configured in OMC
      And the web proxy is refusing
      When Rainbow is enabled in OMC
      And 30 minutes pass
      Then the PBX sends nothing to the Internet itself
      And the PBX tried at least 5 times

    Scenario: The proxy is given by its host name
      Given the web proxy is configured in OMC by its host name
      When Rainbow is enabled in OMC
      Then the WSS link is up
      And the link runs through the web proxy

    Scenario: The proxy is taken out of OMC again
      Given the web proxy is configured in OMC
      And the WSS link was brought up
      When the web proxy is removed in OMC
      Then the WSS link comes up again
      And the link runs directly

    Scenario: A site that needs the proxy and has none set in OMC
      Given the firewall is proxy-only
      When Rainbow is enabled in OMC
      And 5 minutes pass
      Then the WSS link is down
      And nothing of the PBX reaches Rainbow

    Scenario: The proxy asks for an account
      Given the web proxy asks for an account
      And the web proxy is configured in OMC with that account
      When Rainbow is enabled in OMC
      Then the WSS link is up
      And the link runs through the web proxy

    Scenario Outline: The proxy asks for an account and OMC has <what>
      Given the web proxy asks for an account
      And the web proxy is configured in OMC with <what>
      When Rainbow is enabled in OMC
      And 5 minutes pass
      Then the WSS link is down
      And the web proxy answered every request with 407

      Examples:
        | what              |
        | no account        |
        | a wrong password  |
        | an unknown account |

    Scenario Outline: A proxy that lets WSS through (<proxy>)
      Given the firewall is proxy-only
      And the web proxy is <proxy>
      And the web proxy is configured in OMC
      When Rainbow is enabled in OMC
      Then the WSS link is up
      And the link runs through the web proxy

      Examples:
        | proxy                      |
        | tunnelling                 |
        | limited to port 443        |
        | inspecting with a trusted authority |
        | slow                       |

    Scenario: What passes an inspecting proxy can be read in its flows
      Given the web proxy is inspecting with a trusted authority
      And the web proxy is configured in OMC
      When Rainbow is enabled in OMC
      Then the WSS link is up
      And the web proxy's flows show the WSS messages of the link

    Scenario: What passes a tunnelling proxy cannot be read in its flows
      Given the web proxy is tunnelling
      And the web proxy is configured in OMC
      When Rainbow is enabled in OMC
      Then the WSS link is up
      And the link runs through the web proxy
      And the web proxy's flows show no WSS messages

    Scenario Outline: A proxy that does not let WSS through (<proxy>)
      Given the firewall is proxy-only
      And the web proxy is <proxy>
      And the web proxy is configured in OMC
      When Rainbow is enabled in OMC
      And 5 minutes pass
      Then no PBX has logged in
      And the PBX tried at least 3 times
      And the PBX sends nothing to the Internet itself

      Examples:
        | proxy                                  |
        | refusing                               |
        | not WebSocket-capable                  |
        | inspecting with an untrusted authority |
        | unreachable                            |
        | silent                                 |

    Scenario: A proxy that is repaired
      Given the web proxy is refusing
      And the web proxy is configured in OMC
      And Rainbow was enabled in OMC
      And 2 minutes have passed
      When the web proxy becomes tunnelling
      Then the WSS link comes up at the next attempt
      And the link runs through the web proxy

    Scenario: A proxy that cuts idle tunnels more slowly than the PBX keeps them alive
      Given the web proxy cuts tunnels that are idle for 5 minutes
      And the web proxy is configured in OMC
      And the WSS link was brought up
      When 1 hour passes
      Then the WSS link is still the same

    Scenario: A proxy that cuts idle tunnels faster than the PBX keeps them alive
      Given the web proxy cuts tunnels that are idle for 20 seconds
      And the web proxy is configured in OMC
      And the WSS link was brought up
      When 2 minutes pass
      Then the WSS link was lost
      And the WSS link comes up again

  Rule: The PBX finds Rainbow through its DNS servers

    Scenario Outline: DNS is at fault (<fault>), then repaired
      Given the DNS server <fault>
      And Rainbow was enabled in OMC
      And 2 minutes have passed
      And the WSS link is down
      When the DNS server answers
      Then the WSS link comes up at the next attempt

      Examples:
        | fault                            |
        | says that the name does not exist |
        | fails                            |
        | is silent                        |
        | gives a wrong address            |

    Scenario: An answer too long for UDP
      Given the DNS server answers over TCP only
      When Rainbow is enabled in OMC
      Then the WSS link is up

    Scenario: The first DNS server is dead and the second answers
      Given the DNS servers in OMC are a dead one and then the site's own
      When Rainbow is enabled in OMC
      Then the WSS link comes up within 1 minute

    Scenario: Behind a proxy the PBX does not need the Internet's DNS
      Given the firewall is proxy-only
      And the web proxy is configured in OMC
      When Rainbow is enabled in OMC
      Then the WSS link is up
      And the PBX sends nothing to the Internet itself

  Rule: The link is secure: the PBX talks to nobody but Rainbow

    Scenario Outline: Rainbow's place is taken by somebody with a certificate of <kind>, then Rainbow is back
      Given the PCG shows a certificate of <kind>
      And Rainbow was enabled in OMC
      And 2 minutes have passed
      And no PBX has logged in
      When the PCG shows its right certificate
      Then the WSS link comes up at the next attempt

      Examples:
        | kind                 |
        | a wrong name         |
        | an expired date      |
        | an unknown authority |

    Scenario Outline: The PCG does not take the link (<fault>), then it does
      Given the PCG <fault>
      And Rainbow was enabled in OMC
      And 4 minutes have passed
      And the WSS link is down
      When the PCG works again
      Then the WSS link comes up at the next attempt

      Examples:
        | fault                          |
        | refuses the upgrade with 403   |
        | refuses the upgrade with 503   |
        | accepts connections and is silent |
        | is silent after the upgrade    |
